"""What goes through the network interfaces."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from msp_agent.collectors.rates import Counters, Rates

# Where no interface is hardware (a container), these are still none of its own.
VIRTUAL = (
    "lo", "veth", "docker", "br-", "virbr", "vnet", "lxc", "lxdbr", "cni", "cali", "flannel",
    "ifb", "dummy", "tun", "tap", "wg", "sit", "ip6tnl", "gre", "vxlan", "kube", "podman",
)  # fmt: skip


class NetworkCollector:
    """Bytes per second and direction, errors and dropped packets, of each real interface.

    Bridges, tunnels, VLANs and bonds carry what a real interface carries too: they are left out.
    So is an interface that never carried a byte since the start (an empty socket).
    """

    name = "network"
    period_seconds = 0.0

    def __init__(
        self,
        *,
        read: Callable[[], Mapping[str, Any]] | None = None,
        classes: Path = Path("/sys/class/net"),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._read = read or _read
        self._classes = classes
        self._rates = Rates(self._counters, monotonic=monotonic, sleep=sleep)

    def collect(self) -> list[tuple[str, str, float]]:
        """Return bytes/s per direction, errors/s and drops/s of both directions together."""
        grown, seconds = self._rates.next()
        found: list[tuple[str, str, float]] = []
        for name in sorted(grown):
            received, sent, errors, drops = (
                value / seconds for value in (grown[name] or [math.nan] * 4)
            )
            found += [
                ("system.network.io.rate", f"{name} receive", received),
                ("system.network.io.rate", f"{name} transmit", sent),
                ("system.network.errors.rate", name, errors),
                ("system.network.packet.dropped.rate", name, drops),
            ]
        return found

    def _counters(self) -> Counters:
        used = {name: io for name, io in self._read().items() if io.bytes_recv or io.bytes_sent}
        real = [name for name in used if (self._classes / name / "device").exists()]
        real = real or [name for name in used if not name.startswith(VIRTUAL)]
        return {
            name: (
                used[name].bytes_recv,
                used[name].bytes_sent,
                used[name].errin + used[name].errout,
                used[name].dropin + used[name].dropout,
            )
            for name in real
        }


def _read() -> Mapping[str, Any]:
    return psutil.net_io_counters(pernic=True, nowrap=False)
