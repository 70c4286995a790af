"""Whether the services somebody counts on are running."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from msp_agent.shutdown import SYSTEMD_MARK

TIMEOUT_SECONDS = 3.0
# A unit on its way up ("activating") is not up: one that crashes at every start is always there.
UP = frozenset({"active", "reloading", "refreshing"})
UNIT_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]{1,200}\.[a-z]{4,9}")


class ServiceCollector:
    """1 for each watched systemd unit that is up, 0 for one that is not or does not exist."""

    name = "services"
    period_seconds = 0.0

    def __init__(
        self,
        units: Sequence[str] = (),
        *,
        show: Callable[[Sequence[str]], str] | None = None,
        mark: Path = SYSTEMD_MARK,
    ) -> None:
        self._units = tuple(dict.fromkeys(units))
        self._show = show or _show
        self._mark = mark

    def collect(self) -> list[tuple[str, str, float]]:
        """Return `msp.service.up` per unit; nothing without systemd.

        Errors: OSError, subprocess.SubprocessError, ValueError if systemd does not tell.
        """
        if not self._units or not self._mark.exists():
            return []
        states = unit_states(self._show(self._units))
        # Answers come in the order of the questions; an alias is answered under its real name.
        return [
            ("msp.service.up", unit, float(state in UP))
            for unit, state in zip(self._units, states, strict=True)
        ]


def unit_states(text: str) -> list[str]:
    """Return ActiveState of each unit that `systemctl show` answered about, in order."""
    states = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.partition("=")[::2] for line in block.splitlines())
        states.append(fields.get("ActiveState", ""))
    return states


def _show(units: Sequence[str]) -> str:
    done = subprocess.run(  # noqa: S603 - a fixed command without a shell; names are checked
        ["systemctl", "show", "--no-pager", "--property=Id,ActiveState", "--", *units],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    return done.stdout
