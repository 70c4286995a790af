"""How many signed, durable reports of 30 samples one server stores a second, client included.

A real uvicorn on an embedded PostgreSQL that waits for its disk; 1,000 devices over 64 kept-open
connections; reports are signed beforehand (Ed25519, as agents do today). Three numbers: as fast as
it goes, the acknowledgement at the reference fleet's rate, and the processor time it costs.

Source: telemetry design, section 1. The rate asked for there needs session keys (hmac-sha256):
verifying Ed25519 alone takes about 0.1 ms of a core.
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
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from msp.embedded import ephemeral

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "agents" / "endpoint"))  # the agent is not part of the server

from msp_agent.signing import Ed25519Signer, signed_headers  # noqa: E402
from msp_agent.wire import layout_id  # noqa: E402

DEVICES = 1_000
CONNECTIONS = 64
REPORTS_EACH = 12
SERIES = [("bench.value", str(n)) for n in range(30)]
FLEET_RATE = 833  # reports a second of 50,000 devices; telemetry design, section 1
REQUIRED_P95_MS = 50.0
STEADY_SECONDS = 10


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
            return asyncio.run(_measure(fleet, port, server.pid, services))
        finally:
            server.terminate()
            server.wait(20)


async def _measure(
    fleet: list[list[str]], port: int, server: int, services: ephemeral.Services
) -> dict[str, object]:
    await _until_it_answers(port)
    requests = _requests(fleet, port)
    # Layouts, keys and connections are known before the clock starts.
    await _send(port, [part[:1] for part in requests])
    before = _processor_seconds(server, services)
    began = time.perf_counter()
    fast = await _send(port, [part[1:-4] for part in requests])
    took = time.perf_counter() - began
    spent = _processor_seconds(server, services) - before
    steady = await _send(
        port, [part[-4:] for part in requests], rate=FLEET_RATE, seconds=STEADY_SECONDS
    )
    p95 = float(np.percentile(steady, 95) * 1000)
    return {
        "reports_per_second": round(len(fast) / took),
        "p50_ms_at_full_rate": round(float(np.percentile(fast, 50) * 1000), 1),
        "p99_ms_at_full_rate": round(float(np.percentile(fast, 99) * 1000), 1),
        "cpu_seconds_per_million_samples": round(spent / (len(fast) * len(SERIES)) * 1e6, 2),
        "p95_ms_at_833_per_second": round(p95, 1),
        "algorithm": "ed25519",
        "missed": ["p95 at 833/s"] if p95 > REQUIRED_P95_MS else [],
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
            signer = Ed25519Signer(
                key_id, Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
            )
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
    began = time.perf_counter()

    async def one(place: int, requests: list[bytes]) -> list[float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        took = []
        for n, request in enumerate(requests):
            if rate:
                due = (n * len(parts) + place) / rate
                if due > seconds:
                    break
                await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
            start = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            answer = await reader.readexactly(length)
            took.append(time.perf_counter() - start)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{head!r} {answer!r}")
        writer.close()
        return took

    found = await asyncio.gather(*[one(place, part) for place, part in enumerate(parts)])
    return [seconds for part in found for seconds in part]


def _processor_seconds(server: int, services: ephemeral.Services) -> float:
    """Return what the server and PostgreSQL have used so far, children included."""
    processes = [psutil.Process(server), psutil.Process(services._processes[0].pid)]
    total = 0.0
    for process in processes:
        for one in [process, *process.children(recursive=True)]:
            times = one.cpu_times()
            total += times.user + times.system
    return total


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
