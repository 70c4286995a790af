"""The environment is read in one place, and nonsense is refused."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from msp.settings import env

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("word", ["yes", "1", "on", "ture"])
def test_a_boolean_other_than_true_or_false_is_refused(
    monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setenv("MSP_EMBEDDED", word)
    with pytest.raises(ImproperlyConfigured, match="true or false"):
        env.flag("MSP_EMBEDDED", False, why="test")


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n", encoding="utf-8")
    monkeypatch.setenv("SOME_SECRET_FILE", str(tmp_path / "key"))
    assert env.secret("SOME_SECRET", why="test") == "s3cret"
    env.asked.pop("SOME_SECRET"), env.asked.pop("SOME_SECRET_FILE")


def test_only_postgresql_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_URL", "sqlite:///db")
    with pytest.raises(ImproperlyConfigured, match="PostgreSQL"):
        env.database("OTHER_URL", why="test")
    env.asked.pop("OTHER_URL"), env.asked.pop("OTHER_URL_FILE")


def test_every_name_is_in_the_settings_document() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([A-Z_]+)`", text, re.MULTILINE))
    asked = {name for name in env.asked if not name.endswith("_FILE") or name[:-5] not in env.asked}
    assert documented == asked


def test_no_other_server_module_reads_the_environment() -> None:
    found = []
    for room in ("msp", "clients", "agents", "tickets", "monitoring", "billing"):
        for path in (ROOT / room).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            if name.startswith(("msp/settings/env.py", "msp/embedded/", "agents/endpoint/")):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Attribute)
                    and node.attr in ("environ", "getenv")
                    and isinstance(node.value, ast.Name)
                    and node.value.id == "os"
                ):
                    found.append(f"{name}:{node.lineno}")
    # The two doors into the process name the settings module, as Django's own templates do.
    assert sorted(place.split(":")[0] for place in found) == ["msp/asgi.py", "msp/celery.py"]


def _production(**variables: str) -> subprocess.CompletedProcess[str]:
    base = {
        "DJANGO_SETTINGS_MODULE": "msp.settings.prod",
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "postgres://a:b@db/msp",
        "REDIS_URL": "redis://broker",
        "CACHE_URL": "redis://cache",
        "SECRET_KEY": "x" * 60,
        "KEY_ENCRYPTION_KEY_FILE": "/run/secrets/key",
        "PUBLIC_URL": "https://desk.example",
    }
    return subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        env=base | variables,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_production_starts_with_everything_it_needs() -> None:
    assert _production().returncode == 0


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL must be set"),
        ({"REDIS_URL": ""}, "REDIS_URL must be set"),
        ({"CACHE_URL": ""}, "CACHE_URL must be set"),
        ({"SECRET_KEY": ""}, "SECRET_KEY must be set"),
        ({"MSP_EMBEDDED": "true"}, "embedded servers are for trials"),
        ({"PUBLIC_URL": "http://desk.example"}, "https://"),
    ],
)
def test_production_refuses_to_start_without(variables: dict[str, str], words: str) -> None:
    done = _production(**variables)
    assert done.returncode != 0
    assert words in done.stderr
