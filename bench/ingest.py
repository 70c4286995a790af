"""How many signed, durable reports of 30 samples one server stores a second, client included.

A real uvicorn on an embedded PostgreSQL that waits for its disk; 1,000 devices over 256 kept-open
connections; reports are signed beforehand with session keys (hmac-sha256), as agents do. Three
numbers: as fast as it goes, the acknowledgement at the reference fleet's rate, and the processor
time of server and database. Client, server and database share the machine.

Source: telemetry design, section 1.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgpack
import numpy as np
import psutil
import uvloop

from msp.embedded import ephemeral

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "agents" / "endpoint"))  # the agent is not part of the server

from msp_agent.signing import HmacSigner, signed_headers  # noqa: E402
from msp_agent.wire import layout_id  # noqa: E402

DEVICES = 1_000
CONNECTIONS = 256
REPORTS_EACH = 72
#: Requests of each connection that make the layouts, keys and partitions known: one a device.
WARM_EACH = -(-DEVICES // CONNECTIONS)
SERIES = [("bench.value", str(n)) for n in range(30)]
FLEET_RATE = 833  # reports a second of 50,000 devices; telemetry design, section 1
REQUIRED_P95_MS = 50.0
REQUIRED_RATE = 12_000
REQUIRED_CPU = 2.5
STEADY_SECONDS = 10
STEADY_EACH = FLEET_RATE * STEADY_SECONDS // CONNECTIONS + 1


def run() -> dict[str, object]:
    """Return the figures; `missed` names those that were not reached."""
    with ephemeral.start(durable=True) as services:
        environment = {
            **os.environ,
            **services.env,
            "DJANGO_SETTINGS_MODULE": "msp.settings.dev",
            "INGEST_MAY_LOSE": "false",
        }
        _call(environment, "manage.py", "setup_database", "-v", "0")
        fleet = json.loads(_call(environment, "-m", "bench._fleet", str(DEVICES)))
        port = _free_port()
        words = [sys.executable, "-m", "uvicorn", "msp.asgi:application", "--port", str(port)]
        server = subprocess.Popen(
            [*words, "--log-level", "warning", "--no-access-log"], cwd=ROOT, env=environment
        )
        try:
            return uvloop.run(_measure(fleet, port, server.pid, services))
        finally:
            server.terminate()
            server.wait(20)


async def _measure(
    fleet: list[list[str]], port: int, server: int, services: ephemeral.Services
) -> dict[str, object]:
    await _until_it_answers(port)
    requests = _requests(fleet, port)
    # Layouts, keys and connections are known before the clock starts.
    await _send(port, [part[:WARM_EACH] for part in requests])
    before = _processor_seconds(server, services)
    began = time.perf_counter()
    fast = await _send(port, [part[WARM_EACH:-STEADY_EACH] for part in requests])
    took = time.perf_counter() - began
    spent = [
        after - at for after, at in zip(_processor_seconds(server, services), before, strict=True)
    ]
    steady = await _send(
        port, [part[-STEADY_EACH:] for part in requests], rate=FLEET_RATE, seconds=STEADY_SECONDS
    )
    p95 = float(np.percentile(steady, 95) * 1000)
    rate = len(fast) / took
    cost = [one / (len(fast) * len(SERIES)) * 1e6 for one in spent]
    reached = {
        "reports/s": rate >= REQUIRED_RATE,
        "CPU-s per million samples": sum(cost) <= REQUIRED_CPU,
        "p95 at 833/s": p95 <= REQUIRED_P95_MS,
    }
    return {
        "reports": len(fast),
        "reports_per_second": round(rate),
        "p50_ms_at_full_rate": round(float(np.percentile(fast, 50) * 1000), 1),
        "p99_ms_at_full_rate": round(float(np.percentile(fast, 99) * 1000), 1),
        "cpu_seconds_per_million_samples": round(sum(cost), 2),
        "of_it_the_database": round(cost[1], 2),
        "p95_ms_at_833_per_second": round(p95, 1),
        "missed": [name for name, is_reached in reached.items() if not is_reached],
    }


def _requests(fleet: list[list[str]], port: int) -> list[list[bytes]]:
    """Return each connection's requests, ready to be written."""
    now = int(time.time() * 1000)  # the device's clock, not the server's
    layout = layout_id(SERIES)
    parts: list[list[bytes]] = [[] for _ in range(CONNECTIONS)]
    values = np.linspace(0, 1, len(SERIES), dtype="<f4")
    for seq in range(1, REPORTS_EACH + 1):
        for place, (key_id, secret) in enumerate(fleet):
            body = msgpack.packb(
                {
                    "v": 1,
                    "epoch": now,
                    "seq": seq,
                    "lane": "live",
                    "sent_at": now,
                    "clock_offset": 0,
                    "layout": layout,
                    "layout_def": SERIES if seq == 1 else None,
                    "rows": [[now - 60_000 * seq, (values + seq).tobytes()]],
                    "boot_id": "b",
                }
            )
            signer = HmacSigner(key_id, bytes.fromhex(secret))
            headers = signed_headers(
                signer,
                method="POST",
                authority=f"localhost:{port}",
                path="/api/v1/telemetry",
                body=body,
                created=now // 1000,
            ) | {
                "Host": f"localhost:{port}",
                "Content-Type": "application/msgpack",
                "Content-Length": str(len(body)),
            }
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            parts[place % CONNECTIONS].append(
                f"POST /api/v1/telemetry HTTP/1.1\r\n{lines}\r\n".encode() + body
            )
    return parts


async def _send(
    port: int, parts: list[list[bytes]], *, rate: float = 0, seconds: float = 0
) -> list[float]:
    """Send every connection's requests one after the other; return how long each took, in s."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    connections = []
    for place, requests in enumerate(parts):
        dues = (
            [began + (n * len(parts) + place) / rate for n in range(len(requests))] if rate else []
        )
        kept = [n for n in range(len(requests)) if not rate or dues[n] - began <= seconds]
        one = _Connection([requests[n] for n in kept], [dues[n] for n in kept] if rate else [])
        await loop.create_connection(lambda one=one: one, "127.0.0.1", port)
        connections.append(one)
    for one in connections:
        one.go()
    await asyncio.gather(*[one.done for one in connections])
    return [seconds for one in connections for seconds in one.took]


class _Connection(asyncio.Protocol):
    """One kept-open connection: the next request follows the answer, or its due time."""

    def __init__(self, requests: list[bytes], dues: list[float]) -> None:
        self.requests, self.dues = requests, dues
        self.took: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._next = 0
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def go(self) -> None:
        if self._next == len(self.requests):
            self._transport.close()
            self.done.set_result(None)
        elif self.dues and self.dues[self._next] > self._loop.time():
            self._loop.call_at(self.dues[self._next], self._write)
        else:
            self._write()

    def _write(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self.requests[self._next])  # type: ignore[attr-defined]
        self._next += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        at = head.index(b"content-length: ") + 16
        length = int(head[at : at + 12].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self.took.append(time.perf_counter() - self._began)
        self._buffer = b""
        if head.startswith(b"HTTP/1.1 200"):
            self.go()
        else:
            self.done.set_exception(RuntimeError(f"{head!r} {body!r}"))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(f"the server hung up: {error}"))


def _processor_seconds(server: int, services: ephemeral.Services) -> list[float]:
    """Return what the server and PostgreSQL have used so far, children included."""
    found = []
    for pid in (server, services._processes[0].pid):
        process = psutil.Process(pid)
        times = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
        found.append(sum(one.user + one.system for one in times))
    return found


async def _until_it_answers(port: int) -> None:
    for _ in range(300):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise RuntimeError("the server does not answer")


def _call(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
