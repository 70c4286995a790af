"""The telemetry door as an ASGI application, mounted before Django.

A report is capped, then its signature is checked over the raw bytes, then it is read; client and
device come from the key. A 200 means that PostgreSQL has committed.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec
from django.conf import settings

from agents.services import signature
from agents.services.credentials import KnownKey
from monitoring.ingest import buckets, wire
from monitoring.ingest.database import connect
from monitoring.ingest.handoff import HandOff
from monitoring.ingest.keys import KeyCache, KeysAway
from monitoring.ingest.writer import Away, Full, Outcome, Writer
from msp.core import clock

log = logging.getLogger(__name__)

PATH: Final = "/api/v1/telemetry"
INTERVAL_SECONDS: Final = 60
#: Names the configuration an agent should have; it asks for it when this changes.
CONFIG_ETAG: Final = hashlib.sha256(
    msgspec.json.encode({"interval_seconds": INTERVAL_SECONDS})
).hexdigest()[:16]
#: Bodies from here on are inflated and read in a thread: 8 MiB would hold up everybody.
OFF_LOOP_BYTES: Final = 32 << 10
FIRST_CONNECTION_SECONDS: Final = 5.0
#: Spread over a minute, so that a fleet does not come back in step.
RETRY_AFTER_SECONDS: Final = (5, 60)
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REFUSED: Final = {
    "revoked": "This key has been revoked.",
    "quarantined": "This device is quarantined.",
    "pending": "This device waits for approval.",
}

#: The fields that are read, by their names on the wire.
_HEADERS: Final = {
    name.encode(): name
    for name in (
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "content-digest",
        "signature-input",
        "signature",
    )
}

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Answer(Exception):
    """Ends a request with a status and a code."""

    def __init__(self, status: int, code: str, message: str, retry_after: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.retry_after = retry_after


class TelemetryApp:
    """One per process: a key cache, a writer and a hand-off behind one address."""

    def __init__(self) -> None:
        self._keys: KeyCache | None = None
        self._writer: Writer | None = None
        self._handoff: HandOff | None = None
        self._buckets = buckets.Buckets()
        self._starting = asyncio.Lock()

    def serves(self, path: str) -> bool:
        """Return whether this address is the door's own."""
        return path == PATH

    async def start(self) -> None:
        """Open the writer.

        Errors: NotDurable if the database may lose what it acknowledged.
        """
        async with self._starting:
            if self._writer is not None:
                return
            handoff = HandOff()
            writer = Writer(
                partial(connect, "msp-ingest-writer"),
                on_group=handoff.put,
                needs_durable=settings.INGEST_NEEDS_DURABLE_DATABASE,
            )
            writer.start()
            try:
                await asyncio.to_thread(writer.wait_first_connection, FIRST_CONNECTION_SECONDS)
            except BaseException:
                await asyncio.to_thread(writer.stop)
                raise
            handoff.start()
            keys = KeyCache(partial(connect, "msp-ingest-keys"))
            keys.start()
            self._writer, self._handoff, self._keys = writer, handoff, keys

    async def stop(self) -> None:
        """Store what waits and close; the door can be started again."""
        writer, handoff, keys = self._writer, self._handoff, self._keys
        self._writer = self._handoff = self._keys = None
        if writer is not None:
            await asyncio.to_thread(writer.stop)
        if handoff is not None:
            await asyncio.to_thread(handoff.stop)
        if keys is not None:
            await keys.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._serve(scope, receive)
        except _Answer as answer:
            await _send(
                send,
                answer.status,
                {"code": answer.code, "message": answer.message},
                retry_after=answer.retry_after,
            )
        except _HungUp:
            return
        except Exception:
            log.exception("A report could not be served")
            await _send(send, 500, {"code": "server_error", "message": "It is logged."})
        else:
            await _send(send, 200, body)

    async def _serve(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        if scope["method"] != "POST":
            raise _Answer(405, "bad_method", "Reports are sent by POST.")
        if self._writer is None:
            await self.start()
        headers: list[tuple[str, str]] = []
        first: dict[str, str] = {}
        for raw_name, value in scope["headers"]:
            name = _HEADERS.get(raw_name)
            if name is not None:
                text = value.decode("latin-1")
                headers.append((name, text))
                first.setdefault(name, text)
        data = await _read(receive, first.get("content-length", ""))
        known = await self._identify(scope, headers, first, data)
        if known.refused:
            raise _Answer(403, known.refused, _REFUSED[known.refused])
        if not self._buckets.take(known.device_id):
            raise _Answer(
                429,
                "over_rate",
                "This device sends more than it may.",
                retry_after=buckets.RETRY_AFTER_SECONDS,
            )
        report = await _report(first, data, known)
        outcome = await self._store(report)
        if outcome.status:
            raise _Answer(outcome.status, outcome.code, outcome.message)
        return {
            "stored": outcome.stored,
            "acked_through": outcome.acked_through,
            "rejected": report.rejected,
            "next_interval": INTERVAL_SECONDS,
            "jobs_pending": False,
            "config_etag": CONFIG_ETAG,
        }

    async def _identify(
        self, scope: Scope, headers: list[tuple[str, str]], first: dict[str, str], data: bytes
    ) -> KnownKey:
        """Return the key that signed this request. Errors: _Answer 401, 503."""
        if self._keys is None:
            raise _unavailable()
        try:
            signed = signature.read(
                method=scope["method"],
                authority=signature.authority(first.get("host", ""), scope.get("scheme", "http")),
                path=scope.get("raw_path", scope["path"].encode()).decode("latin-1"),
                query=scope["query_string"].decode("latin-1"),
                headers=headers,
            )
            now = clock.now().timestamp()
            signed.check_time(now)
            known = await self._known(signed.keyid)
            signed.check(known.key, data)
            if known.valid_until is not None and now > known.valid_until:
                raise signature.SignatureRefused("session_expired", "Agree on a new session key.")
        except signature.SignatureRefused as refused:
            raise _Answer(401, refused.code, refused.message) from None
        except KeysAway:
            raise _unavailable() from None
        return known

    async def _known(self, keyid: str) -> KnownKey:
        known = None
        if self._keys is not None and _KEY_ID.fullmatch(keyid):
            known = await self._keys.get(UUID(keyid))
        if known is None:
            raise signature.SignatureRefused(
                "bad_signature", "The signature is missing or does not fit."
            )
        return known

    async def _store(self, report: wire.Report) -> Outcome:
        if self._writer is None:
            raise _unavailable()
        try:
            return await self._writer.store(report)
        except Away:
            raise _unavailable() from None
        except Full:
            raise _Answer(503, "busy", "This server is busy.", retry_after=_spread()) from None


class _HungUp(Exception):
    """The client went away before its request was complete."""


async def _read(receive: Receive, declared: str) -> bytes:
    """Return the body as sent, refusing one over the cap before it is read to the end."""
    too_large = _Answer(413, "too_large", "A report is at most 1 MiB as sent.")
    # Digits enough for the cap only: a number of thousands of digits is no number to Python.
    if declared.isdecimal() and (len(declared) > 8 or int(declared) > wire.MAX_COMPRESSED):
        raise too_large
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _HungUp
        part = message.get("body", b"")
        size += len(part)
        if size > wire.MAX_COMPRESSED:
            raise too_large
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def _report(headers: dict[str, str], data: bytes, known: KnownKey) -> wire.Report:
    """Return the report of a signed body. Errors: _Answer 400, 413, 415."""
    content_type = headers.get("content-type", "").split(";")[0].strip().lower()
    encoding = headers.get("content-encoding", "").strip().lower()
    if content_type not in wire.CONTENT_TYPES:
        raise _Answer(415, "bad_type", "Send application/msgpack or application/json.")
    if encoding not in wire.ENCODINGS:
        raise _Answer(415, "bad_encoding", "Send the body plain or as gzip.")

    inflate = partial(wire.inflate, data, encoding)
    try:
        is_large = len(data) > OFF_LOOP_BYTES
        body = await asyncio.to_thread(inflate) if is_large else inflate()
        decode = partial(
            wire.decode,
            body,
            content_type,
            device_id=known.device_id,
            client_id=known.client_id,
            now=clock.now(),
        )
        # Asked of what came out: some kB of gzip may hold 8 MiB.
        return await asyncio.to_thread(decode) if len(body) > OFF_LOOP_BYTES else decode()
    except wire.WireError as error:
        raise _Answer(error.status, error.code, error.message) from None


async def _send(send: Send, status: int, body: dict[str, Any], *, retry_after: int = 0) -> None:
    content = msgspec.json.encode({**body, "time": int(clock.now().timestamp() * 1000)})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
    ]
    if retry_after:
        headers.append((b"retry-after", str(retry_after).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _unavailable() -> _Answer:
    return _Answer(503, "unavailable", "Nothing can be stored now.", retry_after=_spread())


def _spread() -> int:
    return random.randint(*RETRY_AFTER_SECONDS)  # noqa: S311 - spreads load, keeps no secret
