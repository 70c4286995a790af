"""Updates of the operating system that wait to be installed (Debian, Ubuntu)."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

SIX_HOURS = 6 * 3600.0
TIMEOUT_SECONDS = 60.0
REBOOT_MARK = Path("/run/reboot-required")
# What changes when package lists are fetched, and when packages are installed.
CHANGED = (
    Path("/var/lib/apt/lists"),
    Path("/var/lib/apt/lists/partial"),
    Path("/var/lib/apt/periodic/update-success-stamp"),
    Path("/var/lib/dpkg/status"),
)
# "Inst name [installed version] (new version origin, origin [arch])"; a package that is not
# installed yet has no first bracket: it comes along with an update and is none itself.
UPDATE = re.compile(r"Inst (?P<name>\S+) \[[^\]]*\] \((?P<origins>[^)]*)\)")


class UpdatesCollector:
    """How many updates wait and how many of them are for security, asked of apt every 6 hours.

    It only simulates: no lock is taken, nothing is fetched, root is not needed.
    """

    name = "updates"
    period_seconds = SIX_HOURS

    def __init__(
        self,
        *,
        simulate: Callable[[], str] | None = None,
        is_apt: Callable[[], bool] = lambda: shutil.which("apt-get") is not None,
    ) -> None:
        self._simulate = simulate or _simulate
        self._is_apt = is_apt

    def collect(self) -> list[tuple[str, str, float]]:
        """Return `msp.updates.pending` and `msp.updates.security`; nothing without apt.

        Errors: OSError, subprocess.SubprocessError if apt does not tell.
        """
        if not self._is_apt():
            return []
        pending, security = count_updates(self._simulate())
        return [
            ("msp.updates.pending", "", float(pending)),
            ("msp.updates.security", "", float(security)),
        ]


class UpdateStateCollector:
    """Whether a restart is needed, and since when nothing was looked up or installed.

    Two or three looks at the file system: with every sample, so a restart shows at once.
    """

    name = "update-state"
    period_seconds = 0.0

    def __init__(
        self,
        *,
        mark: Path = REBOOT_MARK,
        changed: Sequence[Path] = CHANGED,
        now: Callable[[], float] = time.time,
        is_apt: Callable[[], bool] = lambda: shutil.which("apt-get") is not None,
    ) -> None:
        self._mark = mark
        self._changed = tuple(changed)
        self._now = now
        self._is_here = is_apt()

    def collect(self) -> list[tuple[str, str, float]]:
        """Return `msp.reboot.required` (1 or 0) and `msp.updates.age` (s); nothing without apt."""
        if not self._is_here:
            return []
        found = [("msp.reboot.required", "", float(self._mark.exists()))]
        times = [at for path in self._changed if (at := _changed_at(path)) is not None]
        if times:
            found.append(("msp.updates.age", "", max(0.0, self._now() - max(times))))
        return found


def count_updates(text: str) -> tuple[int, int]:
    """Return how many packages a simulated upgrade would update, and how many for security."""
    pending = security = 0
    for line in text.splitlines():
        if found := UPDATE.match(line):
            pending += 1
            # Debian-Security:12/oldstable-security, Ubuntu:22.04/jammy-security
            security += "-security" in found["origins"].lower()
    return pending, security


def _changed_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _simulate() -> str:
    # With new packages: a kernel's update is one. The old ones would be "kept back", unseen.
    done = subprocess.run(
        ["apt-get", "-s", "-qq", "-o", "Debug::NoLocking=true", "--with-new-pkgs", "upgrade"],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
    )
    return done.stdout
