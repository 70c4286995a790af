"""Servers of their own and real processes on them, for tests that watch or kill whole programs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from msp.embedded import ephemeral, launch

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 30


class Stage:
    """Servers of their own and the processes on them; all end with the test."""

    def __init__(self, settings_module: str, **environment: str) -> None:
        self.services = ephemeral.start()
        self.env = (
            os.environ
            | self.services.env
            | {"DJANGO_SETTINGS_MODULE": settings_module}
            | environment
        )
        self.processes: dict[str, subprocess.Popen[str]] = {}

    def run(self, *command: str) -> str:
        """Run a command to its end."""
        return subprocess.run(
            command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    def manage(self, *arguments: str) -> str:
        return self.run(sys.executable, "manage.py", *arguments)

    def start(self, name: str, *command: str, **options: object) -> subprocess.Popen[str]:
        """Start a process in a session of its own, which ends with this one even by SIGKILL."""
        options = {"env": self.env, "cwd": ROOT} | options
        process = subprocess.Popen(  # type: ignore[call-overload]
            launch.command(list(command), parent=os.getpid()),
            text=True,
            start_new_session=True,
            **options,
        )
        self.processes[name] = process
        return process  # type: ignore[no-any-return]

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill a process and its children at once."""
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):  # it has ended, and so have its children
            os.killpg(process.pid, how)
        process.wait()

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)
        self.services.stop()


def web_command(port: int) -> list[str]:
    """Return the command line of the product's web process."""
    return [
        sys.executable, "-m", "uvicorn", "msp.asgi:application",
        "--host", "127.0.0.1", "--port", str(port), "--timeout-graceful-shutdown", "2",
        "--log-level", "warning",
    ]  # fmt: skip


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_healthy(url: str, process: subprocess.Popen[str], log: Path | None = None) -> None:
    """Wait until a web process answers.

    Errors: RuntimeError with the end of its log if it ended or is not ready in time.
    """
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    tail = log.read_text(errors="replace")[-4000:] if log else ""
    raise RuntimeError(f"{url} does not answer.\n{tail}")
