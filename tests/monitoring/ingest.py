"""What the tests of the telemetry door share: devices with keys, reports, signing, ASGI calls.

Signatures are made by the package http-message-signatures and bodies by the package msgpack:
neither is our own code. Reports go through the real application with the ingest's own login.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import hashlib
import json
import struct
import uuid
import warnings
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgpack
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

from agents.enums import KeyState
from agents.models import Device, DeviceKey
from monitoring.ingest.app import TelemetryApp
from msp.core import clock
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import agents as make_device
from tests.factories import clients as make_client

HOST = "testserver"
PATH = "/api/v1/telemetry"
COMPONENTS = ("@method", "@authority", "@path", "@query", "content-digest")
SERIES = [["system.cpu.utilization", ""], ["system.filesystem.utilization", "/"]]


class _Resolver(HTTPSignatureKeyResolver):
    def __init__(self, key: Ed25519PrivateKey | bytes) -> None:
        self.key = key

    def resolve_private_key(self, key_id: str) -> Ed25519PrivateKey | bytes:
        return self.key

    def resolve_public_key(self, key_id: str) -> Any:
        return self.key if isinstance(self.key, bytes) else self.key.public_key()


@dataclass
class Signer:
    """Signs requests as a device, with a package that is not ours."""

    key_id: str
    key: Ed25519PrivateKey | bytes
    algorithm: Any = algorithms.ED25519

    def headers(
        self,
        body: bytes,
        *,
        path: str = PATH,
        query: str = "",
        host: str = HOST,
        method: str = "POST",
        created: datetime | None = None,
    ) -> dict[str, str]:
        digest = hashlib.sha256(body).digest()
        message = SimpleNamespace(
            method=method,
            url=f"http://{host}{path}{'?' + query if query else ''}",
            headers={"Content-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:"},
        )
        signer = HTTPMessageSigner(
            signature_algorithm=self.algorithm, key_resolver=_Resolver(self.key)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            signer.sign(
                message,
                key_id=self.key_id,
                created=created or clock.now(),
                nonce=uuid.uuid4().hex,
                label="sig1",
                include_alg=True,
                covered_component_ids=COMPONENTS,
                body=body,
                use_existing_digest=True,
            )
        return {**message.headers, "Host": host}


@dataclass
class Machine:
    """An enrolled device that numbers its batches."""

    device: Device
    signer: Signer
    epoch: int
    seq: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)

    def report(self, values: Iterable[float] = (0.5, 0.25), **changes: Any) -> dict[str, Any]:
        """Return the next batch: one row of now unless `rows` says otherwise."""
        self.seq += 1
        series = changes.pop("series", SERIES)
        body: dict[str, Any] = {
            "v": 1,
            "epoch": self.epoch,
            "seq": self.seq,
            "lane": "live",
            "sent_at": now_ms(),
            "clock_offset": 0,
            "layout": layout_name(series),
            "layout_def": series,
            "rows": [[now_ms() - 5000 + self.seq, floats(*values)]],
            "events": [],
            "lost": [],
            "boot_id": "5f1c7f0e",
            "power": "on",
        }
        body.update(changes)
        for name in [name for name, value in body.items() if value is ...]:
            del body[name]
        return body


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.body.get("code", ""))


def machine(client: str = "Acme", name: str = "SRV-01", **fields: Any) -> Machine:
    """Make a device with a key in force."""
    device = make_device.device(make_client.client(client), name, **fields)
    key = Ed25519PrivateKey.generate()
    with acting_as(SystemPrincipal("tests")):
        row = DeviceKey.objects.create(
            client=device.client,
            device=device,
            public_key=key.public_key().public_bytes_raw(),
            state=KeyState.ACTIVE,
        )
    return Machine(device, Signer(str(row.key_id), key), epoch=now_ms() - 1000)


def now_ms() -> int:
    return int(clock.now().timestamp() * 1000)


def floats(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def layout_name(series: list[list[str]]) -> str:
    text = json.dumps(series, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


async def send(
    app: TelemetryApp,
    body: bytes,
    headers: dict[str, str],
    *,
    method: str = "POST",
    path: str = PATH,
    query: str = "",
    chunks: int = 1,
) -> Answer:
    """Call the application as a server would."""
    size = max(1, -(-len(body) // chunks))
    parts = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    messages = [
        {"type": "http.request", "body": part, "more_body": place < len(parts) - 1}
        for place, part in enumerate(parts)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def take(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [
            (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()
        ],
    }
    await app(scope, receive, take)
    return Answer(
        sent[0]["status"],
        {name.decode(): value.decode() for name, value in sent[0]["headers"]},
        json.loads(sent[1]["body"]),
    )


def packed(report: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    return msgpack.packb(report), {"Content-Type": "application/msgpack"}


async def post(
    app: TelemetryApp, who: Machine, report: dict[str, Any], *, zipped: bool = False, **options: Any
) -> Answer:
    """Send a report signed by a machine, as msgpack."""
    body, headers = packed(report)
    if zipped:
        body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
    return await send(app, body, {**headers, **who.signer.headers(body)}, **options)


@contextlib.asynccontextmanager
async def door() -> AsyncIterator[TelemetryApp]:
    """Open the telemetry door for the block."""
    app = TelemetryApp()
    await app.start()
    try:
        yield app
    finally:
        await app.stop()


def run(work: Any) -> Any:
    """Run one coroutine function with an open door."""

    async def whole() -> Any:
        async with door() as app:
            return await work(app)

    return asyncio.run(whole())


def rows_of(who: Machine) -> list[tuple[datetime, int, int, list[float]]]:
    """Return what is stored of a device: (ts, epoch, seq, values), oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ts, epoch, seq, v FROM monitoring_sample WHERE device_id = %s ORDER BY ts",
            [who.device.pk],
        )
        return list(cursor.fetchall())


def ingest_login() -> str:
    return str(settings.DATABASE_INGEST["USER"])


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
