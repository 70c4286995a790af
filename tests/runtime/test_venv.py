"""scripts/venv.sh: half-made environments are thrown away, finished ones left alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from msp.embedded.layout import REPOSITORY

pytestmark = pytest.mark.flow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that locks nothing, in a directory with a space."""
    top = tmp_path / "check out"
    (top / "requirements").mkdir(parents=True)
    (top / "scripts").mkdir()
    shutil.copy(REPOSITORY / "scripts" / "venv.sh", top / "scripts")
    for name in ("run", "all"):
        (top / "requirements" / f"{name}.txt").write_text("# nothing\n")
    return top


def make_venv(checkout: Path, lock: str, python: str = sys.executable) -> tuple[int, str]:
    done = subprocess.run(
        ["sh", str(checkout / "scripts" / "venv.sh"), lock],
        env={"PATH": os.environ["PATH"], "PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_makes_it_once_mends_a_half_made_one_and_follows_the_lock(checkout: Path) -> None:
    assert make_venv(checkout, "all")[0] == 0
    venv = checkout / ".venv"
    assert make_venv(checkout, "all") == (0, "")
    assert make_venv(checkout, "run") == (0, "")  # "all" includes it

    (venv / "half-written").touch()
    (venv / "unfinished").touch()
    status, said = make_venv(checkout, "all")
    assert status == 0
    assert "Making .venv" in said
    assert not (venv / "half-written").exists()

    (checkout / "requirements" / "all.txt").write_text("# another nothing\n")
    status, said = make_venv(checkout, "all")
    assert status == 0
    assert "Installing" in said
    assert "Making" not in said
    assert make_venv(checkout, "all") == (0, "")


def test_a_failed_installation_is_not_taken_for_a_finished_one(checkout: Path) -> None:
    (checkout / "requirements" / "run.txt").write_text("no-hash==1.0\n")
    status, said = make_venv(checkout, "run")
    assert status == 1
    assert "Run the same command again" in said
    assert (checkout / ".venv" / "unfinished").exists()


def test_an_old_python_is_refused_by_name(checkout: Path) -> None:
    status, said = make_venv(checkout, "run", python="/bin/false")
    assert status == 1
    assert "Python 3.11 or newer is needed; /bin/false is not." in said
    assert not (checkout / ".venv").exists()
