"""Which rule is for which series, and which alerts belong together.

A rule is for all clients or for one; a client's rule may stand in for one of all clients. A rule
names a metric, device roles and a pattern over instances; an empty filter means all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

SILENCE: Final = "msp.device.silence"
"""Seconds since a device's last report: judged by a sweep over check-ins, not from samples."""

_NEVER_OFFLINE: Final = frozenset({"workstation"})
"""People switch workstations off; they are listed when long unseen, never alerted as offline."""

_FREE_OF: Final = (".utilization", ".usage", ".limit")


@dataclass(frozen=True, slots=True)
class Selector:
    """What one rule is for. `client_id` None means every client, an empty filter everything."""

    rule_id: int
    metric: str
    client_id: int | None = None
    replaces_id: int | None = None
    roles: frozenset[str] = frozenset()
    instance_pattern: str = ""

    def fits_device(self, client_id: int, role: str) -> bool:
        """Say whether the rule is for devices like this."""
        if self.client_id not in (None, client_id):
            return False
        if self.metric == SILENCE and role in _NEVER_OFFLINE:
            return False
        return not self.roles or role in self.roles

    def fits_instance(self, instance: str) -> bool:
        """Say whether the rule is for this instance; several patterns are parted by commas.

        A pattern that begins with `!` leaves out what it matches.
        """
        patterns = [part.strip() for part in self.instance_pattern.split(",") if part.strip()]
        wanted = [part for part in patterns if not part.startswith("!")]
        unwanted = [part[1:].strip() for part in patterns if part.startswith("!")]
        if any(fnmatchcase(instance, part) for part in unwanted):
            return False
        return not wanted or any(fnmatchcase(instance, part) for part in wanted)


def for_device(selectors: Iterable[Selector], *, client_id: int, role: str) -> list[Selector]:
    """Return the rules that are for a device: those of its client push out what they replace."""
    own = [one for one in selectors if one.client_id in (None, client_id)]
    replaced = {one.replaces_id for one in own if one.replaces_id is not None}
    return [one for one in own if one.rule_id not in replaced and one.fits_device(client_id, role)]


def family(metric: str) -> str:
    """Return what a metric is about: `system.filesystem.utilization` is `system.filesystem`."""
    return metric.rpartition(".")[0] or metric


def group_key(device_id: int, metric: str) -> str:
    """Return which alerts share one ticket: those of one device about one thing."""
    return f"{device_id}:{family(metric)}"


def free_parts(metric: str) -> tuple[str, str] | None:
    """Return the metrics whose difference, limit less usage, is what is free; None if none is.

    Free bytes go with metrics of a thing that has a usage and a limit, such as a volume.
    """
    stem, dot, last = metric.rpartition(".")
    if f".{last}" not in _FREE_OF or not dot or stem == "system.cpu":
        return None
    return f"{stem}.usage", f"{stem}.limit"
