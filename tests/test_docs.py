"""The documents say what is so: names, events, links, words, dependencies."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import get_commands
from django.utils.module_loading import import_string
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from msp.celery import app as celery_app
from msp.core.events import Event, name_of
from msp.wiring import SUBSCRIPTIONS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OUTSIDE = {".venv", "var", "node_modules", ".git"}
APPS = ("clients", "agents", "tickets", "monitoring", "billing", "security", "vendors")


def _documents() -> list[Path]:
    return sorted(
        path
        for path in ROOT.rglob("*.md")
        if not OUTSIDE & set(path.relative_to(ROOT).parts)
        and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


def _rows(path: Path) -> list[list[str]]:
    """Return the cells of every table row, without heads and rules."""
    lines = path.read_text("utf-8").splitlines()
    rows = []
    for number, line in enumerate(lines):
        is_rule = re.fullmatch(r"\|[-| ]+\|", line)
        is_head = number + 1 < len(lines) and re.fullmatch(r"\|[-| ]+\|", lines[number + 1])
        if line.startswith("|") and not is_rule and not is_head:
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


# ---------------------------------------------------------------- links and names


@pytest.mark.parametrize("path", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    text = re.sub(r"(?s)```.*?```", "", path.read_text("utf-8"))
    links = re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", text)
    broken = [
        link
        for link in links
        if not re.match(r"[a-z]+:|#", link) and not (path.parent / link.split("#")[0]).exists()
    ]
    assert broken == []


def _defines(path: Path, name: str) -> bool:
    """Tell whether a file defines a function, class or top-level value of this name."""
    text = path.read_text("utf-8")
    if path.suffix == ".js":
        return bool(re.search(rf"\b(?:class|function|const) {name}\b", text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name == name:
                return True
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return True
    return False


def test_every_step_of_the_walkthrough_names_what_exists() -> None:
    text = (DOCS / "walkthrough.md").read_text("utf-8")
    places = re.findall(r"`([\w./-]+)::(\w+)`", text)
    assert len(places) > 40
    missing = [
        f"{file}::{name}"
        for file, name in places
        if not (ROOT / file).is_file() or not _defines(ROOT / file, name)
    ]
    assert missing == []
    stories = re.findall(r"`(tests/[\w/]+\.py)`", text)
    assert stories
    assert not [story for story in stories if not (ROOT / story).is_file()]


def test_a_name_that_is_not_there_would_be_found() -> None:
    assert _defines(ROOT / "msp/core/events.py", "publish")
    assert not _defines(ROOT / "msp/core/events.py", "publsh")
    assert _defines(ROOT / "msp/core/static/js/live-channel.js", "LiveChannel")


@pytest.mark.parametrize("path", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_commands_that_are_named_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    files = re.findall(r"`((?:msp|tests|docs|docker|requirements|scripts)/[\w./-]+\.\w+)`", text)
    assert not [file for file in files if not (ROOT / file).exists()]
    if path.name == "CHANGELOG.md":
        return
    commands = set(re.findall(r"manage\.py ([a-z][a-z_]+)", text))
    assert commands <= set(get_commands())
    targets = set(re.findall(r"`make ([a-z-]+)", text))
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert targets <= set(re.findall(r"(?m)^([a-z-]+):", makefile))


def test_no_document_names_a_package_index() -> None:
    hosts = re.compile(r"(?i)\b(?:[\w-]+\.)*(?:py" + r"pi|python" + r"hosted|npm" + r"js)\.\w+")
    assert not [path for path in _documents() if hosts.search(path.read_text("utf-8"))]


# ---------------------------------------------------------------- events


def _events() -> set[str]:
    found: set[str] = set()
    todo = list(Event.__subclasses__())
    while todo:
        event = todo.pop()
        todo += event.__subclasses__()
        if event.__module__.split(".")[0] in {*APPS, "msp"}:
            found.add(name_of(event))
    return found


def test_the_list_of_events_is_the_code_and_its_wiring() -> None:
    for handlers in SUBSCRIPTIONS.values():
        for handler in handlers:
            import_string(handler)
    for app in APPS:
        if (ROOT / app / "events.py").is_file():
            __import__(f"{app}.events")
    table = {
        cells[0].strip("`"): tuple(re.findall(r"`([\w.]+handlers\.\w+)`", cells[2]))
        for cells in _rows(DOCS / "events.md")
    }
    assert set(table) == _events()
    assert {name: handlers for name, handlers in table.items() if handlers} == SUBSCRIPTIONS


# ---------------------------------------------------------------- words


def test_no_model_is_named_by_a_word_we_do_not_use() -> None:
    refused = {
        word.strip().lower().replace(" ", "")
        for cells in _rows(DOCS / "glossary.md")
        for word in cells[2].split(",")
        if word.strip()
    }
    assert {"customer", "location", "alarm"} <= refused
    ours = [
        model for model in apps.get_models() if model.__module__.split(".")[0] in {*APPS, "msp"}
    ]
    assert len(ours) > 20
    assert not [model._meta.label for model in ours if model.__name__.lower() in refused]


def test_no_word_is_both_used_and_refused() -> None:
    used: set[str] = set()
    refused: set[str] = set()
    for word, _, instead in _rows(DOCS / "glossary.md"):
        used |= {part.strip().lower() for part in word.split(",")}
        refused |= {part.strip().lower() for part in instead.split(",") if part.strip()}
    assert not used & refused


# ---------------------------------------------------------------- decisions and packages


def test_decisions_are_numbered_without_gaps_and_all_listed() -> None:
    files = sorted(path.name for path in (DOCS / "decisions").glob("[0-9]*.md"))
    assert [int(name[:4]) for name in files] == list(range(1, len(files) + 1))
    listed = re.findall(
        r"\]\((\d{4}-[\w-]+\.md)\)", (DOCS / "decisions/README.md").read_text("utf-8")
    )
    assert listed == files
    for name in files:
        text = (DOCS / "decisions" / name).read_text("utf-8")
        assert text.startswith(f"# {name[:4]} "), name
        for part in ("## Context", "## Decision", "## Consequences"):
            assert part in text, name


def test_every_direct_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {canonicalize_name(Requirement(word).name) for group in groups for word in group}
    rows = _rows(DOCS / "decisions/0010-dependencies.md")
    assert {canonicalize_name(cells[0]) for cells in rows} == wanted
    assert not [cells[0] for cells in rows if not cells[1]]


def test_every_vendored_file_of_others_is_listed() -> None:
    lock = json.loads((ROOT / "vendor.lock.json").read_text("utf-8"))
    assert {(cells[0], cells[1], cells[2]) for cells in _rows(DOCS / "third-party.md")} == {
        (asset["name"], asset["version"], asset["licence"]) for asset in lock["assets"]
    }


def test_the_licence_is_the_whole_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == "Apache-2.0"


def test_the_sweep_that_keeps_the_promise_of_recovery_is_quick_enough() -> None:
    """Decision 0003 promises 30 s: the lease and one sweep must fit into it."""
    text = (DOCS / "decisions/0003-outbox.md").read_text("utf-8")
    lease = import_string("msp.core.events.LEASE").total_seconds()
    sweep = celery_app.conf.beat_schedule["deliver"]["schedule"].total_seconds()
    assert f"lease of {lease:.0f} s" in text
    assert f"every {sweep:.0f} s" in text
    assert lease + sweep < 30
