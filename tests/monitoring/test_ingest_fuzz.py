"""Whatever is sent to the telemetry door, it stays up, and only what a device signed goes in.

Requests are signed here by hand (RFC 9421), spoilt in one of many ways, and given to the real
application with the ingest's own login. What may be accepted is told by comparing what is signed
of a request with everything that was ever signed, not by what the mutation meant to do.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import gzip
import hashlib
import hmac
import json
import random
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import msgpack
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from django.db import connection

from agents.services import sessions
from agents.services.checkins import section_digest
from monitoring.ingest.app import TelemetryApp
from monitoring.ingest.buckets import Buckets
from monitoring.ingest.writer import Writer
from msp.core import clock
from msp.core.scope import SystemPrincipal
from tests.monitoring import ingest
from tests.monitoring.ingest import HOST, PATH, Machine, floats, layout_name, machine, now_ms

pytestmark = pytest.mark.django_db(transaction=True)

#: Answers in 50 ms as a rule; this is what "hangs" means on a machine that others share.
HANG_SECONDS = 20.0
AT_ONCE = 64
SIGNATURE = ("signature-input", "signature", "content-digest")
COMPONENTS = '("@method" "@authority" "@path" "@query" "content-digest")'
#: What an answer may be. 503 is not among them: the database is there all the time.
ALLOWED = {200, 400, 401, 403, 405, 409, 413, 415, 429}


@pytest.fixture(autouse=True)
def _scope(system: SystemPrincipal) -> None:
    """Tests look at rows as the system."""


def test_takes_no_harm_and_no_forgery(monkeypatch: pytest.MonkeyPatch) -> None:
    print(f"\n{_fuzz(monkeypatch, requests=8_000, seed=5)}")


@pytest.mark.soak
def test_takes_no_harm_and_no_forgery_in_a_hundred_thousand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    print(f"\n{_fuzz(monkeypatch, requests=100_000, seed=7)}")


# ---------------------------------------------------------------- requests and their signatures


@dataclass(frozen=True)
class Request:
    """One request as it goes over the wire; header names lower case, as ASGI has them."""

    body: bytes
    headers: tuple[tuple[str, bytes], ...]
    method: str = "POST"
    path: str = PATH
    query: bytes = b""
    chunks: int = 1
    #: The device whose key signed it, for the check of what is stored.
    signer: int = 0

    def all(self, name: str) -> list[bytes]:
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> bytes:
        return (self.all(name) or [b""])[0]

    def put(self, name: str, value: bytes) -> Request:
        """Replace a header where it stands, or add it."""
        if not self.all(name):
            return replace(self, headers=(*self.headers, (name, value)))
        return replace(self, headers=tuple((k, value if k == name else v) for k, v in self.headers))

    def without(self, name: str) -> Request:
        return replace(self, headers=tuple(pair for pair in self.headers if pair[0] != name))

    def signed_part(self) -> tuple[Any, ...] | None:
        """Return all that a signature vouches for, or None if there is not exactly one."""
        if any(len(self.all(name)) != 1 for name in SIGNATURE) or not self.all("host"):
            return None
        label, _, text = self.get("signature").strip(b" \t").partition(b"=:")
        try:
            signature = base64.b64decode(text.removesuffix(b":"), validate=True)
        except ValueError:
            return None
        return (
            self.method,
            self.get("host").lower().removesuffix(b":80"),
            self.path,
            self.query,
            self.body,
            self.get("content-digest").strip(b" \t"),
            self.get("signature-input").strip(b" \t"),
            label,
            signature,
        )


Sign = Callable[[bytes], bytes]


def signed(
    body: bytes,
    sign: Sign,
    keyid: str,
    *,
    headers: tuple[tuple[str, bytes], ...] = (),
    method: str = "POST",
    host: str = HOST,
    query: str = "",
    alg: str = "ed25519",
    created: int | None = None,
    nonce: str | None = None,
    components: str = COMPONENTS,
    params: str | None = None,
) -> Request:
    """Sign a request as RFC 9421 section 2.5 says."""
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    created = int(clock.now().timestamp()) if created is None else created
    nonce = uuid4().hex if nonce is None else nonce
    if params is None:
        params = f';created={created};nonce="{nonce}";keyid="{keyid}";alg="{alg}"'
    values = {
        "@method": method, "@authority": host, "@path": PATH, "@query": f"?{query}",
        "content-digest": digest,
    }  # fmt: skip
    names = [name.strip('"') for name in components.strip("()").split()]
    lines = [f'"{name}": {values[name]}' for name in names if name in values]
    lines.append(f'"@signature-params": {components}{params}')
    signature = base64.b64encode(sign("\n".join(lines).encode("latin-1"))).decode()
    return Request(
        body,
        (
            ("host", host.encode()),
            *headers,
            ("content-digest", digest.encode()),
            ("signature-input", f"sig1={components}{params}".encode("latin-1")),
            ("signature", f"sig1=:{signature}:".encode()),
        ),
        method=method,
        query=query.encode(),
    )


async def send(app: TelemetryApp, request: Request) -> tuple[int, dict[str, Any]]:
    """Call the application as a server would, with raw header bytes."""
    size = max(1, -(-len(request.body) // request.chunks))
    parts = [request.body[at : at + size] for at in range(0, len(request.body), size)] or [b""]
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
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": request.path.encode("latin-1"),
        "query_string": request.query,
        "headers": [(name.encode("latin-1"), value) for name, value in request.headers],
    }
    await app(scope, receive, take)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"], json.loads(sent[1]["body"])


@dataclass(frozen=True)
class Session:
    """A session key of a device: what the device knows, and what the database has of it."""

    key_id: str
    secret: bytes
    sealed: bytes

    def sign(self, data: bytes) -> bytes:
        return hmac.digest(self.secret, data, "sha256")


def session_of(who: Machine, by: SystemPrincipal) -> Session:
    """Agree on a session key as the device does."""
    own = X25519PrivateKey.generate()
    public = own.public_key().public_bytes_raw()
    device_key_id = UUID(who.signer.key_id)
    begun = sessions.begin_session(
        device_key_id, device_public=public, signed_nonce=uuid4().hex, by=by
    )
    secret = sessions.derive(
        own.exchange(X25519PublicKey.from_public_bytes(begun.public_key)),
        device_public=public,
        server_public=begun.public_key,
        key_id=begun.row.key_id,
        device_key_id=device_key_id,
    )
    return Session(str(begun.row.key_id), secret, bytes(begun.row.sealed_secret))


# ---------------------------------------------------------------- the run


@dataclass
class _World:
    dice: random.Random
    machines: list[Machine]
    #: Their keys sign nothing that may be accepted: nothing may ever be stored of them.
    victims: list[Machine]
    #: Session keys, by key of the device; some devices have none, and sign with their own keys.
    sessions: dict[int, Session]
    #: Everything that a device signed within the protocol's rules.
    genuine: set[tuple[Any, ...]] = field(default_factory=set)
    sent: set[tuple[Any, ...] | None] = field(default_factory=set)
    accepted: list[Request] = field(default_factory=list)
    clean: list[Request] = field(default_factory=list)
    turn: int = 0

    def pick(self) -> Machine:
        self.turn += 1
        return self.machines[self.turn % len(self.machines)]

    def report(self, who: Machine) -> dict[str, Any]:
        """Return a report that is right, with more or less in it."""
        dice = self.dice
        series = [["system.cpu.utilization", ""], ["system.filesystem.utilization", "/"]]
        series = series[: dice.choice([1, 2, 2])]
        # Each row of a device has a time of its own, so that each must be stored.
        newest = now_ms() - 1000 - 5 * who.seq
        rows = [
            [newest - n, floats(*[dice.random() for _ in series])]
            for n in range(dice.choice([1, 3]))
        ]
        report = who.report(series=series, rows=rows)
        if dice.random() < 0.2:
            report["events"] = [{"ts": now_ms(), "kind": "collector_hung", "data": {"n": 1}}]
        if dice.random() < 0.1:
            content = {"disks": [{"name": "sda", "bytes": dice.randrange(1 << 40)}]}
            report["sections"] = {
                "storage": {"sha256": section_digest(content), "content": content}
            }
        if dice.random() < 0.1:
            report["lost"] = [{"lane": "live", "from": 1, "to": now_ms(), "count": 3}]
        return report

    def request(self, **options: Any) -> Request:
        """Return a fresh request that is right in all."""
        who = self.pick()
        return self.encoded(who, self.report(who), **options)

    def encoded(self, who: Machine, report: dict[str, Any], **options: Any) -> Request:
        if self.dice.random() < 0.3:
            with_lists = report | {"rows": [_as_json_row(row) for row in report["rows"]]}
            body, kind = json.dumps(with_lists).encode(), b"application/json"
        else:
            body, kind = msgpack.packb(report), b"application/msgpack"
        return self.carried(who, body, kind, **options)

    def carried(self, who: Machine, body: bytes, kind: bytes, **options: Any) -> Request:
        """Return a body of some kind, signed by a device; compressed now and then."""
        headers: tuple[tuple[str, bytes], ...] = (("content-type", kind),)
        if self.dice.random() < 0.3:
            body = gzip.compress(body, 1)
            headers = (*headers, ("content-encoding", b"gzip"))
        return self.by(who, body, headers=headers, **options)

    def by(self, who: Machine, body: bytes, **options: Any) -> Request:
        """Return what this device signs. It counts as genuine."""
        session = self.sessions.get(who.device.pk)
        if session is not None and self.dice.random() < 0.8:
            request = signed(body, session.sign, session.key_id, alg="hmac-sha256", **options)
        else:
            request = signed(body, who.signer.key.sign, who.signer.key_id, **options)
        request = replace(request, signer=who.device.pk)
        part = request.signed_part()
        assert part is not None
        self.genuine.add(part)
        return request


@dataclass
class _Tally:
    mutations: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    by_mutation: Counter[tuple[str, int]] = field(default_factory=Counter)
    #: What the writer was handed, by number of the request: (device, epoch, seq, rows).
    reached: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    stored: dict[tuple[int, int, int], int] = field(default_factory=dict)
    slowest: float = 0.0
    forged: int = 0
    again: int = 0
    #: Right reports that came when the epoch of their device had just ended.
    stale: int = 0
    wrong: list[tuple[Any, ...]] = field(default_factory=list)


_number: contextvars.ContextVar[int] = contextvars.ContextVar("number")


def _fuzz(monkeypatch: pytest.MonkeyPatch, *, requests: int, seed: int) -> str:
    dice = random.Random(seed)
    machines = [machine(f"Client {n % 3}", f"SRV-{n:02}") for n in range(24)]
    victims = [machine("Rival", "RIVAL-01"), machine("Rival", "RIVAL-02", state="quarantined")]
    with_sessions = [who for n, who in enumerate([victims[0], *machines]) if n % 3 < 2]
    world = _World(
        dice,
        machines,
        victims,
        {who.device.pk: session_of(who, SystemPrincipal("tests")) for who in with_sessions},
    )
    tally = _Tally()
    store = Writer.store

    async def counted(self: Writer, report: Any) -> Any:
        tally.reached[_number.get()] = (
            report.device_id, report.epoch, report.seq, len(report.rows)
        )  # fmt: skip
        return await store(self, report)

    monkeypatch.setattr(Writer, "store", counted)
    names = list(MUTATIONS)
    by_device = {who.device.pk: who for who in machines}
    began = time.perf_counter()

    async def one(app: TelemetryApp, number: int, name: str, request: Request) -> None:
        _number.set(number)
        part = request.signed_part()
        is_genuine = part in world.genuine
        before = time.perf_counter()
        async with asyncio.timeout(HANG_SECONDS):
            status, answer = await send(app, request)
        tally.slowest = max(tally.slowest, time.perf_counter() - before)
        tally.forged += not is_genuine
        tally.again += part in world.sent
        world.sent.add(part)
        tally.mutations[name] += 1
        tally.statuses[status] += 1
        tally.by_mutation[name, status] += 1
        wrong = []
        if status not in ALLOWED:
            wrong.append("an answer that may not be")
        # As an agent does: where an epoch has ended, another begins.
        is_stale = answer.get("code") == "stale_epoch"
        if number in tally.reached and (status == 200 or is_stale):
            who = by_device[tally.reached[number][0]]
            epoch = tally.reached[number][1]
            who.epoch = max(who.epoch, epoch + 1 if is_stale else epoch)
        tally.stale += is_stale and name == "as_it_is"
        if name == "as_it_is" and status != 200 and not is_stale:
            wrong.append("a right report was refused")
        if not is_genuine and (status == 200 or number in tally.reached):
            wrong.append("accepted what nobody had signed")
        if number in tally.reached and tally.reached[number][0] != request.signer:
            wrong.append("taken for another device")
        if status == 200:
            first = tally.stored.setdefault(tally.reached[number][:3], answer["stored"])
            # A row at the edge of the allowed times may have crossed it since.
            is_same = first == answer["stored"] or answer["rejected"]
            if not is_same and name not in RESIGNED:
                wrong.append("another answer when it was sent again")
            world.accepted.append(request)
            del world.accepted[:-500]
        if wrong:
            tally.wrong.append((wrong, name, status, answer, request))

    async def work(app: TelemetryApp) -> None:
        app._buckets = Buckets(rate=1e6, burst=1e6)  # a hundred reports a second of each device
        for first in range(0, requests, AT_ONCE):
            if first % (AT_ONCE * 8) == 0:
                world.clean = [world.request() for _ in range(40)]
            batch = []
            for number in range(first, min(first + AT_ONCE, requests)):
                name = names[number % len(names)]
                batch.append((number, name, MUTATIONS[name](world)))
            dice.shuffle(batch)
            await asyncio.gather(*[one(app, *job) for job in batch])
            if len(tally.wrong) > 50:
                return
        stored = await asyncio.to_thread(_stored)
        again = await asyncio.gather(*[_again(app, request) for request in world.accepted])
        assert set(again) <= {200, 409, 429}  # 409: its device has begun a new epoch
        assert await asyncio.to_thread(_stored) == stored

    async def _again(app: TelemetryApp, request: Request) -> int:
        _number.set(-1)
        status, _ = await send(app, request)
        return status

    ingest.run(work)
    assert not tally.wrong, (len(tally.wrong), tally.wrong[:3])
    seconds = time.perf_counter() - began
    _check_rows(world, tally)
    share = len(tally.reached) / requests
    assert tally.by_mutation["as_it_is", 200] + tally.stale == tally.mutations["as_it_is"]
    assert tally.stale <= tally.mutations["as_it_is"] // 10
    assert tally.statuses[401] >= requests // 3
    assert tally.forged > requests // 3
    assert tally.again > requests // 30
    assert share < 0.4, "most must be refused before they cost the database anything"
    assert set(tally.mutations) == set(MUTATIONS)
    report = [
        f"{requests} requests, {len(names)} kinds, {seconds:.1f} s, slowest {tally.slowest:.2f} s",
        f"answers {dict(sorted(tally.statuses.items()))}",
        f"not as signed {tally.forged}, of them accepted 0; sent again {tally.again}",
        f"reached the database {len(tally.reached) - (-1 in tally.reached)} ({share:.1%}), "
        f"stored batches {len(tally.stored)}, replayed at the end {len(world.accepted)}",
    ]
    accepted = sorted({name for name, status in tally.by_mutation if status == 200})
    return "\n".join([*report, f"kinds of which some were accepted: {', '.join(accepted)}"])


def _stored() -> tuple[Any, ...]:
    """Return how much there is of all that reports leave behind."""
    with connection.cursor() as cursor:
        counts = []
        for table in (
            "monitoring_sample", "monitoring_deviceevent", "agents_inventorysection",
            "agents_inventorychange",
        ):  # fmt: skip
            cursor.execute(f"SELECT count(*) FROM {table}")
            counts.append(cursor.fetchone()[0])
        cursor.execute("SELECT device_id, epoch, stored::text FROM agents_devicecheckin ORDER BY 1")
        counts.append(cursor.fetchall())
    connection.close()
    return tuple(counts)


def _check_rows(world: _World, tally: _Tally) -> None:
    """Every row is of a batch that was accepted from its own device, and none is of a victim."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT device_id, epoch, seq, count(*) FROM monitoring_sample GROUP BY 1, 2, 3"
        )
        rows = {(device, epoch, seq): count for device, epoch, seq, count in cursor.fetchall()}
        cursor.execute(
            "SELECT device_id FROM monitoring_deviceevent "
            "UNION SELECT device_id FROM agents_devicecheckin "
            "UNION SELECT device_id FROM agents_inventorysection"
        )
        touched = {device for (device,) in cursor.fetchall()} | {device for device, *_ in rows}
        cursor.execute(
            "SELECT count(*) FROM monitoring_deviceevent e JOIN agents_device d "
            "ON d.id = e.device_id WHERE d.client_id <> e.client_id"
        )
        assert cursor.fetchone() == (0,)
    # Samples are no rows of Django's: those of earlier tests stay, under lower keys.
    first = min(who.device.pk for who in [*world.machines, *world.victims])
    rows = {key: count for key, count in rows.items() if key[0] >= first}
    touched = {device for device in touched if device >= first}
    assert rows
    assert touched <= {who.device.pk for who in world.machines}
    assert not [key for key, count in rows.items() if count > tally.stored.get(key, 0)]


# ---------------------------------------------------------------- mutations

Mutation = Callable[[_World], Request]
MUTATIONS: dict[str, Mutation] = {}
#: Those that a device signs itself: whatever they hold, they may be stored, for that device.
RESIGNED: set[str] = set()


def mutation(work: Mutation) -> Mutation:
    MUTATIONS[work.__name__] = work
    return work


def resigned(work: Mutation) -> Mutation:
    RESIGNED.add(work.__name__)
    return mutation(work)


def _clean(world: _World) -> Request:
    """Return a request that is right, and that nobody has sent yet."""
    return world.dice.choice(world.clean)


def _flip(dice: random.Random, data: bytes, count: int = 1) -> bytes:
    spoilt = bytearray(data or b"\0")
    for _ in range(count):
        spoilt[dice.randrange(len(spoilt))] ^= 1 << dice.randrange(8)
    return bytes(spoilt)


def _cut(dice: random.Random, data: bytes) -> bytes:
    begin = dice.randrange(len(data) + 1)
    return data[:begin] if dice.random() < 0.5 else data[begin:]


def _splice(dice: random.Random, one: bytes, two: bytes) -> bytes:
    return one[: dice.randrange(len(one) + 1)] + two[dice.randrange(len(two) + 1) :]


def _mangle(dice: random.Random, data: bytes, other: bytes) -> bytes:
    match dice.randrange(7):
        case 0:
            return _flip(dice, data)
        case 1:
            return _flip(dice, data, dice.randrange(1, 20))
        case 2:
            return _cut(dice, data)
        case 3:
            return _splice(dice, data, other)
        case 4:
            return data + dice.randbytes(dice.randrange(1, 40))
        case 5:
            at = dice.randrange(len(data) + 1)
            return data[:at] + dice.randbytes(dice.randrange(1, 9)) + data[at:]
        case _:
            at = dice.randrange(len(data) + 1)
            return data[:at] + data[at + dice.randrange(1, 9) :]


@mutation
def as_it_is(world: _World) -> Request:
    """Nothing is spoilt: what shows that the rest is refused for what was done to it."""
    return world.request(query=world.dice.choice(["", "a=1", "?", "x=%2F&y"]))


@mutation
def replayed(world: _World) -> Request:
    return world.dice.choice(world.accepted) if world.accepted else world.request()


@mutation
def replayed_in_other_headers(world: _World) -> Request:
    request = replayed(world)
    headers = [(k, v) for k, v in request.headers if k != "user-agent"]
    world.dice.shuffle(headers)
    headers.append(("user-agent", world.dice.randbytes(5)))
    return replace(request, headers=tuple(headers), chunks=world.dice.randrange(1, 5))


@mutation
def replayed_elsewhere(world: _World) -> Request:
    request = replayed(world)
    return world.dice.choice([host_changed, query_changed, path_changed])(world, request)


@mutation
def body_mangled(world: _World) -> Request:
    request, other = _clean(world), _clean(world)
    return replace(request, body=_mangle(world.dice, request.body, other.body))


@mutation
def body_mangled_with_its_digest(world: _World) -> Request:
    """The digest fits, but it is signed as it was."""
    request = body_mangled(world)
    digest = base64.b64encode(hashlib.sha256(request.body).digest())
    return request.put("content-digest", b"sha-256=:" + digest + b":")


@mutation
def body_of_another(world: _World) -> Request:
    request, other = _clean(world), _clean(world)
    spoilt = replace(request, body=other.body)
    return spoilt.put("content-digest", other.get("content-digest"))


@mutation
def signature_of_another(world: _World) -> Request:
    request, other = _clean(world), _clean(world)
    for name in world.dice.sample(SIGNATURE, world.dice.randrange(1, 3)):
        request = request.put(name, other.get(name))
    return request


@mutation
def header_mangled(world: _World) -> Request:
    request = _clean(world)
    name = world.dice.choice(SIGNATURE)
    other = _clean(world).get(name)
    return request.put(name, _mangle(world.dice, request.get(name), other))


@mutation
def header_removed(world: _World) -> Request:
    return _clean(world).without(world.dice.choice([*SIGNATURE, "host", "content-type"]))


@mutation
def header_twice(world: _World) -> Request:
    request = _clean(world)
    name = world.dice.choice(SIGNATURE)
    value = world.dice.choice([request, _clean(world)]).get(name)
    headers = list(request.headers)
    headers.insert(world.dice.randrange(len(headers) + 1), (name, value))
    return replace(request, headers=tuple(headers))


@mutation
def headers_joined(world: _World) -> Request:
    """Two signatures in one field, as RFC 9421 would allow."""
    request, other = _clean(world), _clean(world)
    for name in ("signature-input", "signature"):
        second = other.get(name).replace(b"sig1=", world.dice.choice([b"sig1=", b"sig2="]))
        pair = [request.get(name), second]
        world.dice.shuffle(pair)
        request = request.put(name, b", ".join(pair))
    return request


@mutation
def header_of_nonsense(world: _World) -> Request:
    dice = world.dice
    value = dice.choice(
        [
            b"", b" ", b'""', b"sig1=", b"sig1=()", b"sig1=::", b"sig1=:=:", b"sig1=:A:",
            b"=" * 3000, b'sig1=("@method");created=99999999999999999', b"sha-256=::",
            "²".encode("latin-1"), b"sig1=" + b'("@method"' * 500,
            b"sig1=(" + b'"a" ' * 500 + b'"a")', dice.randbytes(30),
            b'sig1=();a="' + b"\\\\" * 900, b"sig1=:" + b"A" * 2000 + b":",
        ]
    )  # fmt: skip
    return _clean(world).put(dice.choice(SIGNATURE), value)


@mutation
def parameter_changed(world: _World) -> Request:
    dice, request = world.dice, _clean(world)
    given = request.get("signature-input")
    keyid = dice.choice([*world.machines, *world.victims]).signer.key_id
    old, new = dice.choice(
        [
            (b"created=1", b"created=2"), (b";created=", b";expires=1;created="),
            (b'nonce="', b'nonce="0'), (b'alg="ed25519"', b'alg="hmac-sha256"'),
            (b'alg="ed25519"', b'alg="none"'), (b';alg="ed25519"', b""), (b'"@path" ', b""),
            (b'"@method" "@authority"', b'"@authority" "@method"'), (b"sig1=", b"sig2="),
            (b'"content-digest"', b'"content-digest";req'), (b"@query", b"@query-param"),
            (b'alg="', b'tag="x";alg="'), (b'keyid="', b'keyid="' + keyid.encode() + b'";keyid="'),
        ]
    )  # fmt: skip
    return request.put("signature-input", given.replace(old, new, 1))


@mutation
def key_of_another(world: _World) -> Request:
    """Signed by one device in the name of another."""
    request = _clean(world)
    mine = request.get("signature-input").split(b'keyid="')[1][:36]
    names = [who.signer.key_id for who in [*world.machines, *world.victims]]
    names += [session.key_id for session in world.sessions.values()]
    name = world.dice.choice([name for name in names if name != mine.decode()])
    return request.put(
        "signature-input", request.get("signature-input").replace(mine, name.encode())
    )


@mutation
def in_the_name_of_another(world: _World) -> Request:
    """As before, but signed again over the name that is not its own, or by a key of nobody."""
    dice = world.dice
    victim = dice.choice([*world.victims, *world.machines])
    others = [who for who in world.machines if who is not victim]
    signs = [dice.choice(others).signer.key.sign, _STRANGER.sign]
    names = [victim.signer.key_id, victim.signer.key_id.upper(), str(uuid4()), "enrol"]
    alg = "ed25519"
    if (session := world.sessions.get(victim.device.pk)) and dice.random() < 0.5:
        strangers = [s for s in world.sessions.values() if s is not session]
        signs, alg = [dice.choice(strangers).sign], dice.choice(["hmac-sha256", "ed25519"])
        names = [session.key_id, session.key_id.upper(), victim.signer.key_id]
    body = msgpack.packb(world.report(victim) if victim in world.victims else {"v": 1})
    return signed(
        body,
        dice.choice(signs),
        dice.choice(names),
        alg=alg,
        headers=(("content-type", b"application/msgpack"),),
    )


_STRANGER = Ed25519PrivateKey.generate()


@mutation
def stolen_database(world: _World) -> Request:
    """What a thief of the database has is a public key and a sealed secret; neither signs."""
    dice = world.dice
    victim = dice.choice([*world.victims, *world.machines])
    public = victim.signer.key.public_key().public_bytes_raw()
    secrets = [public, public.hex().encode(), base64.b64encode(public), b"", bytes(32)]
    keyid = victim.signer.key_id
    if (session := world.sessions.get(victim.device.pk)) and dice.random() < 0.7:
        keyid = session.key_id
        secrets += [
            session.sealed,
            session.sealed[:32],
            session.sealed[-32:],
            session.sealed[12:44],
        ]
        secrets += [hashlib.sha256(session.sealed).digest(), keyid.encode(), UUID(keyid).bytes]
    secret = dice.choice(secrets)
    report = victim.report() if victim in world.victims else {"v": 1}
    return signed(
        msgpack.packb(report),
        lambda data: hmac.digest(secret, data, "sha256"),
        keyid,
        alg=dice.choice(["hmac-sha256", "hmac-sha256", "ed25519", "HMAC-SHA256", ""]),
        headers=(("content-type", b"application/msgpack"),),
    )


@mutation
def a_quarantined_device(world: _World) -> Request:
    """Rightly signed by a device that may not report; nothing of it is stored."""
    who = world.victims[1]
    return world.encoded(who, world.report(who))


@mutation
def too_old_or_too_new(world: _World) -> Request:
    """Rightly signed, but not now."""
    who = world.pick()
    now = int(clock.now().timestamp())
    created = now + world.dice.choice([-302, 302, -86_400, 86_400, 10**9, -now, 10**14 - now])
    return signed(
        msgpack.packb(world.report(who)),
        who.signer.key.sign,
        who.signer.key_id,
        created=created,
        headers=(("content-type", b"application/msgpack"),),
    )


@mutation
def signed_over_less(world: _World) -> Request:
    """Rightly signed by the device, but not over all that must be signed, or in another form."""
    who = world.pick()
    keyid = who.signer.key_id
    now = int(clock.now().timestamp())
    names = COMPONENTS.strip("()").split()
    fewer = world.dice.sample(names, world.dice.randrange(len(names)))
    good = f';created={now};nonce="x";keyid="{keyid}";alg="ed25519"'
    components, params = world.dice.choice(
        [
            (f"({' '.join(fewer)})", good),
            (f"({' '.join([*names, names[0]])})", good),
            (COMPONENTS, f';created={now};keyid="{keyid}";alg="ed25519"'),
            (COMPONENTS, f';created="{now}";nonce="x";keyid="{keyid}";alg="ed25519"'),
            (COMPONENTS, f';created={now};nonce=1;keyid="{keyid}";alg="ed25519"'),
            (COMPONENTS, f"{good};created={now}"),
            (COMPONENTS, f'{good};tag="telemetry"'),
            (COMPONENTS, f';created={now};nonce="x";keyid="{keyid}";alg="none"'),
            (COMPONENTS, f';created={now};nonce="x";keyid="{keyid}\\"";alg="ed25519"'),
            (COMPONENTS, ""),
        ]
    )
    return signed(
        msgpack.packb(world.report(who)),
        who.signer.key.sign,
        keyid,
        components=components,
        params=params,
        headers=(("content-type", b"application/msgpack"),),
    )


@mutation
def method_changed(world: _World) -> Request:
    methods = ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "post", "PATCH", "", "POST "]
    return replace(_clean(world), method=world.dice.choice(methods))


@mutation
def path_changed(world: _World, request: Request | None = None) -> Request:
    paths = [PATH + "/", "/api/v1/%74elemetry", "//api/v1/telemetry", "/API/v1/telemetry", "/", ""]
    paths += [PATH + "\n", "/api/v1/./telemetry", PATH + "?", "/é" + PATH]
    return replace(request or _clean(world), path=world.dice.choice(paths))


@mutation
def query_changed(world: _World, request: Request | None = None) -> Request:
    request = request or _clean(world)
    queries = [b"x", b"a=2", b"device=1", b"?", b"%", b"&", b"\xff", request.query + b"&b=1"]
    return replace(request, query=world.dice.choice(queries))


@mutation
def host_changed(world: _World, request: Request | None = None) -> Request:
    hosts = [b"evil.example", b"testserver:8000", b"testserver.", b"", b"testserver:443", b"\xff"]
    hosts += [b"testserver, testserver", b"user@testserver", b"[::1]", b"testserver:80:80"]
    return (request or _clean(world)).put("host", world.dice.choice(hosts))


@mutation
def unsigned_headers(world: _World) -> Request:
    """What is not signed may be changed by anybody: it must not change what is stored."""
    dice, request = world.dice, world.request()
    types = [b"application/json", b"application/msgpack", b"text/plain", b"", b"\xff", b"a" * 9000]
    types += [
        b"application/msgpack;charset=latin-1",
        b"APPLICATION/MSGPACK",
        b"multipart/form-data",
    ]
    encodings = [b"gzip", b"identity", b"br", b"zstd", b"gzip, gzip", b"deflate", b"\xb2", b"GZIP"]
    lengths = [b"0", b"1", b"-1", b"999999999999", b"\xb2", b"\xb9\xb3", b"1e3", b"", b"9" * 5000]
    name, values = dice.choice(
        [("content-type", types), ("content-encoding", encodings), ("content-length", lengths)]
    )
    value = dice.choice(values)
    if dice.random() < 0.3:
        return replace(request, headers=((name, value), *request.headers))
    return request.put(name, value)


@mutation
def headers_of_all_sorts(world: _World) -> Request:
    request, dice = world.request(), world.dice
    more = [
        (dice.choice(["x-device", "x-forwarded-host", "x-http-method-override", "\xff", ""]),
         dice.randbytes(dice.randrange(50)))
        for _ in range(dice.randrange(1, 60))
    ]  # fmt: skip
    headers = [*request.headers, *more]
    dice.shuffle(headers)
    return replace(request, headers=tuple(headers), chunks=dice.randrange(1, 30))


@mutation
def body_in_pieces_or_none(world: _World) -> Request:
    request = _clean(world)
    return replace(request, body=b"" if world.dice.random() < 0.5 else request.body * 2, chunks=7)


@resigned
def bytes_mangled_and_signed(world: _World) -> Request:
    who, dice = world.pick(), world.dice
    report = world.report(who)
    if dice.random() < 0.4:
        report["rows"] = [_as_json_row(row) for row in report["rows"]]
        body, kind = json.dumps(report).encode(), b"application/json"
    else:
        body, kind = msgpack.packb(report), b"application/msgpack"
    return world.carried(who, _mangle(dice, body, body), kind)


@resigned
def field_changed_and_signed(world: _World) -> Request:
    who = world.pick()
    report = world.report(who)
    _change_field(world.dice, report, who)
    if world.dice.random() < 0.2:
        _change_field(world.dice, report, who)
    return _pack_or_other(world, who, report)


@resigned
def rows_changed_and_signed(world: _World) -> Request:
    dice, who = world.dice, world.pick()
    report = world.report(who)
    ts, values = report["rows"][0]
    width = len(values)
    report["rows"] = dice.choice(
        [
            [], None, {}, [[]], [[ts]], [[ts, values, 1]], [[values, ts]], [[ts, None]],
            [[None, b""]],
            [[ts, values], [ts, values]], [[ts, values + b"\0"]], [[ts, b""]], [[ts, values * 2]],
            [[ts, values], [ts - 1, values * 2]], [[-1, values]], [[2**43, values]],
            [[2**43 + 1, values]], [[2**63, values]], [[0, values]], [[ts + 10**9, values]],
            [[ts + 0.5, values]], [[str(ts), values]], [[ts, values.hex()]],
            [[ts, b"\xff" * width]],
            [[ts, b"\0\0\x80\x7f" * (width // 4)]], [[ts, bytes(1204)]], [[ts, bytes(1200)]],
            [[ts - n, values] for n in range(2_001)], [[True, values]], [[ts, [0.1] * 2]],
            [[ts - 86_400_000 * n, values] for n in (1, 29, 30, 31)],
        ]
    )  # fmt: skip
    return _pack_or_other(world, who, report)


@resigned
def layout_changed_and_signed(world: _World) -> Request:
    dice, who = world.dice, world.pick()
    report = world.report(who)
    cpu = ["system.cpu.utilization", ""]
    series: Any = dice.choice(
        [
            [], [cpu, cpu], [["System", ""]], [["a" * 101, ""]], [["a", "b" * 201]], [["a", "\0"]],
            [["a", "\n"]], [["a", "\u202e"]], [["a"]], [["a", "b", "c"]], [["a", 1]], [[None, ""]],
            [[f"m{n}", ""] for n in range(301)], "text", {"a": "b"}, [["1", ""]], [["é", ""]],
            [["a", "Ω漢字"]], [["a", "'; DROP TABLE x; --"]], [["a\n", ""]], [["a", "\ud800"]],
        ]
    )  # fmt: skip
    report["layout_def"] = series
    try:
        report["layout"] = layout_name(series)
    except UnicodeEncodeError:
        report["layout"] = "0" * 16
    if isinstance(series, list) and dice.random() < 0.7:
        report["rows"] = [[report["rows"][0][0], floats(*[0.5] * len(series))]]
    if dice.random() < 0.2:
        report["layout"] = dice.choice(["0" * 16, "", "G" * 16, "0" * 17, "0" * 16 + "\n"])
    if dice.random() < 0.2:
        del report["layout_def"]
    return _pack_or_other(world, who, report)


@resigned
def extras_changed_and_signed(world: _World) -> Request:
    """Events, sections and what was lost."""
    dice, who = world.dice, world.pick()
    report = world.report(who)
    data = _junk(dice)
    content = data if isinstance(data, dict) else {"x": data}
    try:
        digest = section_digest(content)
    except (TypeError, ValueError, RecursionError):
        digest = "0" * 64
    section = {"sha256": digest if dice.random() < 0.8 else "0" * 64, "content": content}
    name = dice.choice(["storage", "os", "a" * 40, "a" * 41, "", "A", "a\n", "a\0", "é"])
    now = now_ms()
    report |= dice.choice(
        [
            {"events": [{"ts": now, "kind": "x", "data": content}]},
            {"events": [{"ts": dice.choice([0, -1, 2**43, 2**64 - 1]), "kind": "x", "data": {}}]},
            {"events": [{"ts": now, "kind": dice.choice(["", "X", "a" * 65, "a\n", "é"])}]},
            {"events": [data]}, {"events": [{"ts": now, "kind": "x"}] * 1_001}, {"events": data},
            {"sections": {name: section}}, {"sections": data}, {"sections": {name: data}},
            {"sections": {f"s{n}": section for n in range(51)}},
            {"lost": [{"lane": "live", "from": 0, "to": 2**43, "count": 2**53}]},
            {"lost": [{"lane": "x", "from": 0, "to": 1, "count": 1}]}, {"lost": data},
            {"lost": [{"lane": "bulk", "from": now, "to": 0, "count": -1}]},
        ]
    )  # fmt: skip
    return _pack_or_other(world, who, report)


@resigned
def gzip_changed_and_signed(world: _World) -> Request:
    dice, who = world.dice, world.pick()
    body = msgpack.packb(world.report(who))
    whole = gzip.compress(body, 1)
    bomb = _BOMB if dice.random() < 0.02 else whole
    body = dice.choice(
        [
            _mangle(dice, whole, whole), whole + whole, whole + b"\0" * 8, whole[:-4], whole[:10],
            zlib.compress(body), body, gzip.compress(whole, 1), b"", b"\x1f\x8b", bomb,
            gzip.compress(b"", 1), whole[:-8] + bytes(8), whole,
        ]
    )  # fmt: skip
    encoding = dice.choice([b"gzip", b"gzip", b"gzip", b"GZIP", b" gzip ", b"x-gzip", b"zstd", b""])
    headers = (("content-type", b"application/msgpack"), ("content-encoding", encoding))
    return world.by(who, body, headers=headers)


_BOMB = gzip.compress(bytes((8 << 20) + 1))


@resigned
def json_of_all_sorts_and_signed(world: _World) -> Request:
    dice, who = world.dice, world.pick()
    report = world.report(who)
    report["rows"] = [_as_json_row(row) for row in report["rows"]]
    text = json.dumps(report)
    ts = report["rows"][0][0]
    swaps = [
        ("1", "1e999"), (f"[{ts},", "[NaN,"), ("{", '{"seq": 9, '), ('"on"', '"\\ud800"'),
        ('"boot_id": "5f1c7f0e"', '"boot_id": "\\u0000"'), ('"seq": ', '"seq": ' + "9" * 400),
        ('"v": 1', '"v": 1.0'), ('"v": 1', '"v": true'),
        ('"clock_offset": 0', '"clock_offset": -0'),
        ("]]", ", 1e39]]"), ("]]", ", 3.5e38, -1e400]]"), ("]]", ", true]]"), ("]]", ', "1"]]'),
        ('"events": []', f'"events": {"[" * 2000}{"]" * 2000}'),
        ('"events": []', f'"events": [{{"ts": {ts}, "kind": "x", "data": {{"\\u0000": 1}}}}]'),
        ('"events": []', f'"events": [{{"ts": {ts}, "kind": "x", "data": {{"a": "\\ud83d"}}}}]'),
        ('"events": []', f'"events": [{{"ts": {ts}, "kind": "x", "data": {{"a": 1e400}}}}]'),
        ('"events": []', f'"events": [{{"ts": {ts}, "kind": "x", "data": {{"a": {"9" * 5000}}}}}]'),
    ]  # fmt: skip
    text = text.replace(*dice.choice(swaps), 1)
    encoding = dice.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32"])
    return world.carried(who, text.encode(encoding), b"application/json")


@resigned
def msgpack_of_all_sorts_and_signed(world: _World) -> Request:
    dice, who = world.dice, world.pick()
    report = world.report(who)
    body = msgpack.packb(report)
    extras: list[dict[str, Any]] = [
        {"events": [{"ts": 1, "kind": "x", "data": {"a": _EXT}}]},
        {"events": [{"ts": 1, "kind": "x", "data": {1: {b"\xff": 2}}}]},
        {"sections": {"os": {"sha256": "0" * 64, "content": {"a": _EXT}}}},
    ]
    body = dice.choice(
        [
            b"", b"\xc1", b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff", b"\x91" * 5000,
            b"\xc9\xff\xff\xff\xff\x01", b"\xc6\xff\xff\xff\xff",
            b"\x81\xa1v\xcb\x3f\xf0" + bytes(6),
            body + b"\xc0", body + body, msgpack.packb(list(report.values())), msgpack.packb(None),
            body.replace(b"\xa1v\x01", b"\xa1v\xcc\x01"), body.replace(b"\xa1v\x01", b"\xa1v\xc3"),
            body.replace(b"\xa2on", b"\xc4\x02on"), body.replace(b"\xa2on", b"\xa2\xff\xfe"),
            body.replace(b"\xa8boot_id", b"\xc4\x07boot_id"), dice.randbytes(dice.randrange(200)),
            *[msgpack.packb(report | more) for more in extras],
        ]
    )  # fmt: skip
    if dice.random() < 0.5:
        body = body.replace(b"\xc7\x0c\x4d", b"\xc7\x0c\xff")
    return world.carried(who, body, b"application/msgpack")


#: An extension; `msgpack_of_all_sorts_and_signed` makes it a time that no calendar has.
_EXT = msgpack.ExtType(77, b"\xff" * 12)


def _pack_or_other(world: _World, who: Machine, report: dict[str, Any]) -> Request:
    """Encode what may not be encodable in the one or the other way."""
    if world.dice.random() < 0.4:
        rows = report.get("rows")
        if isinstance(rows, list):
            report["rows"] = [_as_json_row(row) for row in rows]
        body = json.dumps(report, default=repr).encode()
        return world.carried(who, body, b"application/json")
    body = msgpack.packb(report, default=repr, unicode_errors="surrogatepass")
    return world.carried(who, body, b"application/msgpack")


def _as_json_row(row: Any) -> Any:
    """Return a packed row as a list of numbers, where it is one."""
    if not isinstance(row, list) or len(row) != 2 or not isinstance(row[1], bytes):
        return row
    whole = row[1][: len(row[1]) // 4 * 4]
    return [row[0], [n / 255 for n in whole[::4]]]


def _junk(dice: random.Random, depth: int = 0) -> Any:
    leaves: list[Any] = [
        None, True, 0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63), 0.5, -0.0,
        float("nan"), float("inf"), 1e308, "", "x", "\0", "a" * 300, "\ud800", "Ω", b"",
        b"\xff" * 9,
        "2026-01-01T00:00:00Z", [], {},
    ]  # fmt: skip
    match dice.randrange(4) if depth < 3 else 3:
        case 0:
            return [_junk(dice, depth + 1) for _ in range(dice.randrange(4))]
        case 1:
            keys = ["a", "", "\0", "key", "é", "a" * 100]
            return {dice.choice(keys): _junk(dice, depth + 1) for _ in range(dice.randrange(4))}
        case 2 if depth == 0:
            deep: Any = 1
            for _ in range(dice.choice([15, 17, 100, 400])):
                deep = [deep] if dice.random() < 0.5 else {"a": deep}
            return deep
        case _:
            return dice.choice(leaves)


def _change_field(dice: random.Random, report: dict[str, Any], who: Machine) -> None:
    fields = [
        "v", "epoch", "seq", "lane", "sent_at", "clock_offset", "layout", "boot_id", "power",
        "rows", "layout_def", "events", "lost", "sections", "unknown",
    ]  # fmt: skip
    name = dice.choice(fields)
    match dice.randrange(4):
        case 0:
            report.pop(name, None)
        case 1 if name == "clock_offset":
            report[name] = dice.choice([1, -1, 2**43, -(2**43), 2**43 + 1, 3_600_000, -(2**62)])
        case 1 if name == "seq":
            report[name] = dice.choice([0, -1, 2**62, 2**62 + 1, 2**63, 2**64 - 1, who.seq + 10])
        case 1 if name == "epoch":
            report[name] = dice.choice([0, -1, who.epoch - 1, 2**43 + 1, 2**63, 2**64 - 1])
        case 1 if name == "power":
            report[name] = dice.choice(["sleep", "shutdown", "off", "ON"])
        case 1 if name == "lane":
            report[name] = dice.choice(["backlog", "bulk", "fast"])
        case 1 if name == "boot_id":
            report[name] = dice.choice(["", "a" * 64, "a" * 65, "a b", "a\n", "é"])
        case _:
            report[name] = _junk(dice)
