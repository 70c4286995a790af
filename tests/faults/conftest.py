"""Real processes on servers of their own, to be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from msp.embedded import ephemeral

ROOT = Path(__file__).resolve().parents[2]


class Stage:
    """Servers of their own and the processes on them; all end with the test."""

    def __init__(self, settings_module: str) -> None:
        self.services = ephemeral.start()
        self.env = os.environ | self.services.env | {"DJANGO_SETTINGS_MODULE": settings_module}
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def run(self, *command: str) -> str:
        """Run a command to its end."""
        return subprocess.run(
            command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    def manage(self, *arguments: str) -> str:
        return self.run(sys.executable, "manage.py", *arguments)

    def start(self, name: str, *command: str, **options: object) -> subprocess.Popen[str]:
        """Start a process in a session of its own."""
        process = subprocess.Popen(  # type: ignore[call-overload]
            command, env=self.env, cwd=ROOT, text=True, start_new_session=True, **options
        )
        self.processes[name] = process
        return process  # type: ignore[no-any-return]

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill a process and its children at once."""
        process = self.processes.pop(name)
        os.killpg(process.pid, how)
        process.wait()

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        self.services.stop()


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Return servers and a migrated database."""
    made = Stage("tests.faults.settings")
    try:
        made.manage("setup_database", "-v0")
        yield made
    finally:
        made.close()
