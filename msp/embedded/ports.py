"""Free loopback ports."""

import errno
import json
import socket
from collections.abc import Iterable
from pathlib import Path

LOOPBACK = "127.0.0.1"


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen on this address now.

    Errors: OSError when the host is none of this machine's addresses.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def choose_ports(count: int) -> list[int]:
    """Return different ports that are free on loopback now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def remembered_ports(path: Path, names: Iterable[str]) -> dict[str, int]:
    """Return a port for each name: last time's while it is free, else another one.

    The choice is written to `path` (JSON).
    """
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    ports: dict[str, int] = {}
    for name in names:
        port = known.get(name) if isinstance(known, dict) else None
        if not isinstance(port, int) or port in ports.values() or not is_free(LOOPBACK, port):
            port = choose_ports(1)[0]
        ports[name] = port
    path.write_text(json.dumps(ports), encoding="utf-8")
    return ports
