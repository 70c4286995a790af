"""How the agent is asked to stop, and whether the whole machine is stopping."""

import contextlib
import os
import select
import signal
import socket
import subprocess
from pathlib import Path
from types import FrameType

SYSTEMD_MARK = Path("/run/systemd/system")
ASK_TIMEOUT_SECONDS = 1.0


class StopSignal:
    """Wait that SIGTERM and SIGINT end.

    A handler may run while the main thread holds any lock, so it takes none: it writes one byte
    into a socket that the main thread selects on (threading.Event would deadlock now and then).
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._is_set = False

    def install(self) -> None:
        """Handle SIGTERM, and SIGINT, which background jobs of a shell inherit as ignored."""
        signal.signal(signal.SIGTERM, self._handle)
        signal.signal(signal.SIGINT, self._handle)

    def set(self) -> None:
        """Ask for the stop."""
        self._is_set = True
        with contextlib.suppress(BlockingIOError):
            self._writer.send(b"x")

    def is_set(self) -> bool:
        """Say whether the stop was asked for."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; return whether the stop was asked for."""
        if not self._is_set:
            select.select([self._reader], [], [], max(0.0, seconds))
        return self._is_set

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.set()


def system_is_stopping(*, mark: Path = SYSTEMD_MARK, command: str = "systemctl") -> bool:
    """Say whether systemd is shutting the machine down (or rebooting it) right now.

    Where there is no systemd the answer is no: a goodbye that is not one would hide an outage.
    """
    if os.name != "posix" or not mark.exists():
        return False
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command without a shell
            [command, "is-system-running"],
            capture_output=True,
            text=True,
            timeout=ASK_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.stdout.strip() == "stopping"
