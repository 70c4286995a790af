"""How much of the last minute something waited for processor, memory or disk."""

from pathlib import Path

RESOURCES = ("cpu", "memory", "io")


class PressureCollector:
    """The kernel's pressure stall information, share of time in which at least one task waited.

    Source: Linux, Documentation/accounting/psi.rst.
    """

    name = "pressure"
    period_seconds = 0.0

    def __init__(self, *, root: Path = Path("/proc/pressure")) -> None:
        self._root = root

    def collect(self) -> list[tuple[str, str, float]]:
        """Return `msp.pressure.*`, 0-1 over 60 s; nothing where the kernel does not measure it."""
        found: list[tuple[str, str, float]] = []
        for resource in RESOURCES:
            try:
                text = (self._root / resource).read_text()
            except OSError:  # an old kernel, or one started with psi=0
                continue
            ratio = some_avg60(text)
            if ratio is not None:
                found.append((f"msp.pressure.{resource}", "", ratio))
        return found


def some_avg60(text: str) -> float | None:
    """Return the ratio `some avg60` of one pressure file."""
    for line in text.splitlines():
        kind, *fields = line.split()
        if kind == "some":
            percents = dict(field.split("=", 1) for field in fields)
            return float(percents["avg60"]) / 100
    return None
