"""Session keys: agreed on with the device's own key, worth a day, worthless in a stolen database.

The device's side is written here from the protocol's text; signatures are made and checked by the
package http-message-signatures.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import connection
from django.test import Client as Browser
from http_message_signatures import algorithms

from agents import services
from agents.enums import DeviceState
from agents.models import Device, RequestNonce, SessionKey
from monitoring.ingest import keys
from msp.core import clock, sealing
from msp.core.scope import SystemPrincipal
from tests.monitoring.ingest import Answer, Machine, Signer, machine, post, rows_of, run

PATH = "/api/v1/agent/session"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _scope(system: SystemPrincipal) -> None:
    """Tests look at rows as the system."""


@dataclass
class Begun:
    """A session as the device knows it."""

    answer: dict[str, Any]
    secret: bytes

    @property
    def signer(self) -> Signer:
        return Signer(self.answer["key_id"], self.secret, algorithms.HMAC_SHA256)


def ask(who: Machine, public_key: bytes, **signing: Any) -> Any:
    signer = signing.pop("signer", who.signer)
    data = json.dumps({"public_key": base64.b64encode(public_key).decode()}).encode()
    return replay(data, signer.headers(data, path=PATH, **signing))


def replay(data: bytes, headers: dict[str, str]) -> Any:
    headers = dict(headers)
    host = headers.pop("Host")
    return Browser(headers={**headers, "Host": host}).generic(
        "POST", PATH, data, content_type="application/json"
    )


def begin(who: Machine) -> Begun:
    own = X25519PrivateKey.generate()
    public = own.public_key().public_bytes_raw()
    response = ask(who, public)
    assert response.status_code == 201, response.content
    answer = response.json()
    server = base64.b64decode(answer["public_key"])
    secret = HKDF(
        algorithm=hashes.SHA256(),
        length=32,
        salt=hashlib.sha256(public + server).digest(),
        info=b"msp-agent session v1" + UUID(answer["key_id"]).bytes + UUID(who.signer.key_id).bytes,
    ).derive(own.exchange(X25519PublicKey.from_public_bytes(server)))
    return Begun(answer, secret)


def report_with(who: Machine, signer: Signer) -> Answer:
    who.signer, before = signer, who.signer
    answer: Answer = run(lambda app: post(app, who, who.report()))
    who.signer = before
    return answer


def test_a_report_signed_by_a_session_key_is_stored() -> None:
    who = machine()
    begun = begin(who)
    assert report_with(who, begun.signer).status == 200
    assert len(rows_of(who)) == 1
    left = begun.answer["expires_at"] - int(clock.now().timestamp() * 1000)
    assert timedelta(hours=23) < timedelta(milliseconds=left) <= timedelta(hours=24)


def test_a_session_belongs_to_the_device_that_began_it() -> None:
    ours, theirs = machine("Acme", "SRV-01"), machine("Globex", "SRV-01")
    assert report_with(theirs, begin(ours).signer).status == 200
    assert (len(rows_of(ours)), len(rows_of(theirs))) == (1, 0)


def test_an_expired_session_signs_nothing() -> None:
    who = machine()
    begun = begin(who)
    SessionKey.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    answer = report_with(who, begun.signer)
    assert (answer.status, answer.code) == (401, "session_expired")
    assert not rows_of(who)


def test_a_session_ends_with_the_key_that_began_it() -> None:
    who = machine()
    begun = begin(who)
    services.revoke_key(who.device.public_id, by=SystemPrincipal("tests"))
    answer = report_with(who, begun.signer)
    assert (answer.status, answer.code) == (403, "revoked")
    assert ask(who, X25519PrivateKey.generate().public_key().public_bytes_raw()).json()["code"] == (
        "revoked"
    )


@pytest.mark.parametrize("state", [DeviceState.QUARANTINED, DeviceState.PENDING])
def test_a_device_that_may_not_report_gets_no_session(state: DeviceState) -> None:
    who = machine()
    Device.objects.filter(pk=who.device.pk).update(state=state)
    answer = ask(who, X25519PrivateKey.generate().public_key().public_bytes_raw())
    assert (answer.status_code, answer.json()["code"]) == (403, state.value)
    assert not SessionKey.objects.exists()


def test_a_recorded_request_begins_nothing_again() -> None:
    who = machine()
    public = X25519PrivateKey.generate().public_key().public_bytes_raw()
    data = json.dumps({"public_key": base64.b64encode(public).decode()}).encode()
    headers = who.signer.headers(data, path=PATH)
    assert replay(data, headers).status_code == 201
    again = replay(data, headers)
    assert (again.status_code, again.json()["code"]) == (401, "nonce_used")
    assert SessionKey.objects.count() == 1
    assert RequestNonce.objects.count() == 1


def test_nobody_else_begins_a_session_for_a_device() -> None:
    who = machine()
    public = X25519PrivateKey.generate().public_key().public_bytes_raw()
    forger = Signer(who.signer.key_id, Ed25519PrivateKey.generate())
    unknown = Signer(str(uuid4()), Ed25519PrivateKey.generate())
    nameless = Signer("enrol", Ed25519PrivateKey.generate())
    session = begin(who).signer
    for signer in (forger, unknown, nameless, session):
        answer = ask(who, public, signer=signer)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    late = ask(who, public, created=clock.now() - timedelta(minutes=6))
    assert (late.status_code, late.json()["code"]) == (401, "skewed")
    assert SessionKey.objects.count() == 1


@pytest.mark.parametrize("public_key", [b"", b"\0" * 31, b"\0" * 32, b"\1" + b"\0" * 31])
def test_a_key_that_agrees_on_nothing_is_refused(public_key: bytes) -> None:
    who = machine()
    answer = ask(who, public_key)
    assert answer.status_code == 422
    assert "public_key" in answer.json()["message"]
    assert not SessionKey.objects.exists()


def test_a_body_that_is_none_is_refused_in_words() -> None:
    who = machine()
    for data in (b"", b"[]", b"{}", b'{"public_key": 5}', b'{"public_key": "?"}', b"\xff" * 9):
        answer = replay(data, who.signer.headers(data, path=PATH))
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")


def test_only_the_newest_sessions_of_a_device_are_kept() -> None:
    who = machine()
    begun = [begin(who) for _ in range(5)]
    kept = {str(key_id) for key_id in SessionKey.objects.values_list("key_id", flat=True)}
    assert kept == {one.answer["key_id"] for one in begun[-3:]}
    assert report_with(who, begun[0].signer).code == "bad_signature"
    assert report_with(who, begun[-1].signer).status == 200


def test_old_sessions_and_nonces_are_dropped() -> None:
    who = machine()
    begin(who)
    SessionKey.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    begin(who)
    assert services.drop_old_sessions(by=SystemPrincipal("tests")) == 1
    assert SessionKey.objects.count() == 1


def test_a_stolen_database_forges_nothing() -> None:
    """Whoever reads every row signs with whatever bytes lie there: nothing is accepted."""
    who = machine()
    begun = begin(who)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sealed_secret, to_json(s)::text FROM agents_sessionkey s WHERE key_id = %s",
            [begun.answer["key_id"]],
        )
        sealed, row = cursor.fetchone()
    sealed = bytes(sealed)
    assert begun.secret not in sealed
    assert begun.secret.hex() not in row
    guesses = [sealed, sealed[1:], sealed[13:], sealed[13:45], sealed[:32], sealed[-32:]]
    guesses += [hashlib.sha256(guess).digest() for guess in guesses]
    guesses += [bytes(who.device.keys.get().public_key), UUID(begun.answer["key_id"]).bytes]
    for guess in guesses:
        forged = Signer(begun.answer["key_id"], guess, algorithms.HMAC_SHA256)
        assert report_with(who, forged).code == "bad_signature"
    assert not rows_of(who)


def test_a_public_key_is_no_session_secret() -> None:
    """The algorithm is the key's: a public key from the database must not pass as an hmac key."""
    who = machine()
    public = bytes(who.device.keys.get().public_key)
    answer = report_with(who, Signer(who.signer.key_id, public, algorithms.HMAC_SHA256))
    assert (answer.status, answer.code) == (401, "bad_signature")


def test_a_sealed_secret_opens_only_where_it_belongs() -> None:
    ours, theirs = machine("Acme", "SRV-01"), machine("Globex", "SRV-02")
    mine, other = begin(ours), begin(theirs)
    # Somebody who can write to the database puts the secret they know into another's session.
    stolen = SessionKey.objects.get(key_id=mine.answer["key_id"]).sealed_secret
    SessionKey.objects.filter(key_id=other.answer["key_id"]).update(sealed_secret=stolen)
    forged = Signer(other.answer["key_id"], mine.secret, algorithms.HMAC_SHA256)
    assert report_with(theirs, forged).code == "bad_signature"
    assert not rows_of(theirs)


def test_sealed_values_are_bound_to_purpose_owner_and_every_bit() -> None:
    sealed = sealing.seal(b"secret", purpose="a", owner=b"row")
    assert sealing.unseal(sealed, purpose="a", owner=b"row") == b"secret"
    assert sealing.seal(b"secret", purpose="a", owner=b"row") != sealed
    wrong = [
        (sealed, "b", b"row"),
        (sealed, "a", b"other"),
        (sealed[:-1], "a", b"row"),
        (b"", "a", b""),
    ]
    wrong += [
        (sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :], "a", b"row")
        for place in range(len(sealed))
    ]
    for value, purpose, owner in wrong:
        with pytest.raises(sealing.NotSealedHere):
            sealing.unseal(value, purpose=purpose, owner=owner)


def test_our_hmac_is_the_standards() -> None:
    secret = b"k" * 32
    oracle = hmac.HMAC(secret, hashes.SHA256())
    oracle.update(b"base")
    key = services.signature.HmacKey(secret)
    right = oracle.finalize()
    assert key.verify(right, b"base")
    assert not key.verify(right[:-1], b"base")
    assert not key.verify(right, b"base2")


def test_a_session_that_is_deleted_stops_working_while_it_is_cached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys, "BELIEVED_SECONDS", 0.0)
    monkeypatch.setattr(keys, "UNKNOWN_SECONDS", 0.0)
    who = machine()
    begun = begin(who)
    assert report_with(who, begun.signer).status == 200
    SessionKey.objects.all().delete()
    assert report_with(who, begun.signer).code == "bad_signature"


def test_the_same_request_at_the_same_time_begins_one_session() -> None:
    who = machine()
    public = X25519PrivateKey.generate().public_key().public_bytes_raw()
    data = json.dumps({"public_key": base64.b64encode(public).decode()}).encode()
    headers = who.signer.headers(data, path=PATH)
    together = threading.Barrier(4)
    codes: list[int] = []

    def once() -> None:
        together.wait()
        try:
            codes.append(replay(data, headers).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [201, 401, 401, 401]
    assert SessionKey.objects.count() == 1


def test_a_request_larger_than_any_key_is_refused_unread() -> None:
    who = machine()
    data = b'{"public_key": "' + b"A" * 70_000 + b'"}'
    answer = replay(data, who.signer.headers(data, path=PATH))
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")
    assert "64 KiB" in answer.json()["message"]
