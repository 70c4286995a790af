"""Memory and swap."""

import psutil


class MemoryCollector:
    """Memory that programs cannot have without something being pushed out, and swap in use."""

    name = "memory"
    period_seconds = 0.0

    def collect(self) -> list[tuple[str, str, float]]:
        """Return utilization (0-1), usage and limit (By); paging only where there is swap."""
        memory = psutil.virtual_memory()
        used = memory.total - memory.available
        found = [
            ("system.memory.utilization", "", used / memory.total),
            ("system.memory.usage", "", float(used)),
            ("system.memory.limit", "", float(memory.total)),
        ]
        swap = psutil.swap_memory()
        if swap.total:
            found.append(("system.paging.utilization", "", swap.used / swap.total))
        return found
