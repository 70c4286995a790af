"""Rules that every stylesheet, template and script obeys; read from the source itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

STATIC = settings.BASE_DIR / "msp/core/static"
TEMPLATES = settings.BASE_DIR / "templates"
#: Three, four, six or eight hex digits after #, or a colour function.
RAW_COLOUR = re.compile(
    r"#(?:[0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})\b(?![\w-])|\b(?:oklch|oklab|rgba?|hsla?|lab|lch)\(",
    re.IGNORECASE,
)
MIX = re.compile(r"color-mix\(in oklab,")
#: An image of its own cannot read our tokens.
OWN_COLOURS = {"favicon.svg"}


def _ours(folder: Path, *endings: str) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in endings and "vendor" not in path.parts and path.name not in OWN_COLOURS
    )


TEMPLATE_FILES = _ours(TEMPLATES, ".html", ".svg")
STYLES = [path for path in _ours(STATIC, ".css") if path.name != "tokens.css"]
SCRIPTS = _ours(STATIC, ".js")


def _name(path: Path) -> str:
    return str(path.relative_to(settings.BASE_DIR))


def _without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/|\{#.*?#\}|<!--.*?-->", "", text, flags=re.DOTALL)


def test_there_is_something_to_check() -> None:
    assert len(TEMPLATE_FILES) > 20
    assert {path.name for path in STYLES} >= {"base.css", "components.css"}
    assert len(SCRIPTS) > 8


@pytest.mark.parametrize("path", [*STYLES, *SCRIPTS, STATIC / "icons.svg"], ids=_name)
def test_raw_colours_stand_in_the_token_file_only(path: Path) -> None:
    text = _without_comments(path.read_text("utf-8"))
    assert RAW_COLOUR.findall(MIX.sub("color-mix(", text)) == []


@pytest.mark.parametrize("path", TEMPLATE_FILES, ids=_name)
def test_templates_name_no_raw_colour(path: Path) -> None:
    text = path.read_text("utf-8")
    # A link to an anchor such as href="#add" is no colour.
    text = re.sub(r'(?:href|hx-target|action|_url|action_url)="#[^"]*"|"#[\w-]+"', "", text)
    assert RAW_COLOUR.findall(text) == []


@pytest.mark.parametrize("path", TEMPLATE_FILES, ids=_name)
def test_templates_carry_no_inline_script_or_style(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert re.findall(r"<style\b", text) == []
    assert re.findall(r"""\sstyle\s*=\s*["']""", text) == []
    assert re.findall(r"""[\s"']on[a-z]+\s*=\s*["']""", text) == []
    assert re.findall(r"hx-on|javascript:|[\"']js:", text) == []


@pytest.mark.parametrize("path", TEMPLATE_FILES, ids=_name)
def test_htmx_elements_name_their_own_target_and_swap(path: Path) -> None:
    for tag in re.findall(
        r"<[a-z][^<>]*\shx-(?:get|post|put|patch|delete)=[^<>]*>", path.read_text()
    ):
        assert "hx-target=" in tag, tag
        assert "hx-swap=" in tag, tag


@pytest.mark.parametrize("path", TEMPLATE_FILES, ids=_name)
def test_morph_is_spelled_so_that_nothing_is_evaluated(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "morph:{" not in text
    for value in re.findall(r'hx-swap-oob="([^"]*)"', text):
        assert value in {"morph", "true"} or "{{" in value


def test_the_extension_is_loaded_once_in_the_base_template() -> None:
    found = [_name(path) for path in TEMPLATE_FILES if "hx-ext" in path.read_text("utf-8")]
    assert found == ["templates/base.html"]


def test_names_of_htmx_events_stand_in_one_module() -> None:
    found = [path.name for path in SCRIPTS if re.search(r"htmx:\w", path.read_text("utf-8"))]
    assert found == ["htmx-events.js"]


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_scripts_need_no_eval(path: Path) -> None:
    text = _without_comments(path.read_text("utf-8"))
    assert re.findall(r"\beval\(|new Function\(|setTimeout\(\s*[\"'`]", text) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_imports_of_scripts_lead_to_files(path: Path) -> None:
    for target in re.findall(r'(?:from|import)\s+"(\./[^"]+)"', path.read_text("utf-8")):
        assert (path.parent / target).is_file(), target


def test_each_icon_that_is_named_exists() -> None:
    known = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text("utf-8")))
    named: set[str] = set()
    for path in TEMPLATE_FILES:
        text = path.read_text("utf-8")
        named.update(re.findall(r'\{% icon "([\w-]+)"', text))
        named.update(re.findall(r'\b(?:icon|end_icon)="([\w-]+)"', text))
    source = (settings.BASE_DIR / "msp/core/templatetags/ui.py").read_text("utf-8")
    table = source[source.index("STATUS_LOOKS") : source.index("@register.simple_tag\ndef status")]
    named.update(re.findall(r'\("([\w-]+)", "\w*"\)', table))
    assert len(named) > 30
    assert named - known == set()
