"""A machine joins by a token and its own key, at the token's site and nowhere else."""

from __future__ import annotations

import base64
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection
from django.test import Client as Browser

from agents import services
from agents.enums import DeviceState, KeyState
from agents.models import (
    Device,
    DeviceCheckin,
    DeviceKey,
    EnrolmentToken,
    Identifier,
    RequestNonce,
)
from msp.core import clock
from msp.core.errors import NotVisible
from msp.core.models import AuditEntry, Delivery, User
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as make
from tests.monitoring.ingest import Signer

PATH = "/api/v1/agent/enrol"
SYSTEM = SystemPrincipal("tests")
HARDWARE = {
    "serial": "FL60X-7719-0342",
    "board_uuid": "7d0f4f9e-1b57-4a41-9a52-6c4e3e6a1c11",
    "macs": ["00:1a:2b:3c:4d:5e"],
}


def _token(client: str = "Acme", **fields: Any) -> str:
    with acting_as(SYSTEM):
        site = make.site(make.client(client))
        _, secret = services.make_enrolment_token(
            by=SYSTEM, site_id=site.pk, label="laptops", **fields
        )
    return secret


def _nonce() -> str:
    answer = Browser().post("/api/v1/agent/nonce")
    assert answer.status_code == 200
    assert answer.json()["expires_in"] == 300
    return str(answer.json()["nonce"])


def _body(token: str, key: Ed25519PrivateKey, /, **changes: Any) -> dict[str, Any]:
    body = {
        "token": token,
        "nonce": changes.pop("nonce", None) or _nonce(),
        "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
        "name": "WS-042",
        "role": "workstation",
        "hardware": HARDWARE,
        "os": {"family": "linux", "name": "Debian GNU/Linux", "version": "12"},
        "agent_version": "0.1.0",
    }
    return {**body, **changes}


def _send(
    body: dict[str, Any] | bytes,
    key: Ed25519PrivateKey,
    *,
    keyid: str = "enrol",
    **options: Any,
) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = Signer(keyid, key).headers(data, path=PATH, **options)
    host = headers.pop("Host")
    return Browser(headers={**headers, "Host": host}).generic(
        "POST", PATH, data, content_type="application/json"
    )


def _enrol(token: str, key: Ed25519PrivateKey | None = None, /, **changes: Any) -> Any:
    key = key or Ed25519PrivateKey.generate()
    return _send(_body(token, key, **changes), key)


def _devices() -> list[Device]:
    with acting_as(SYSTEM):
        return list(Device.objects.select_related("client", "site").order_by("pk"))


def _fall_silent(device: Device, *, for_: timedelta) -> None:
    with acting_as(SYSTEM):
        DeviceCheckin.objects.update_or_create(
            device=device,
            defaults={
                "client_id": device.client_id,
                "last_report_at": clock.now() - for_,
                "epoch": 1,
            },
        )
        Device.objects.filter(pk=device.pk).update(enrolled_at=clock.now() - timedelta(days=30))


@pytest.mark.django_db
def test_joins_the_tokens_site() -> None:
    key = Ed25519PrivateKey.generate()
    answer = _enrol(_token("Acme"), key)
    assert answer.status_code == 201
    (device,) = _devices()
    assert answer.json() | {"time": 0} == {
        "device": str(device.public_id),
        "key_id": answer.json()["key_id"],
        "status": "active",
        "config": {"interval_seconds": 60},
        "time": 0,
    }
    assert (device.client.name, device.site.name) == ("Acme", "Head office")
    assert (device.name, device.role, device.os_version) == ("WS-042", "workstation", "12")
    with acting_as(SYSTEM):
        row = DeviceKey.objects.get(key_id=answer.json()["key_id"])
        assert bytes(row.public_key) == key.public_key().public_bytes_raw()
        kinds = set(Identifier.objects.values_list("kind", flat=True))
    assert kinds == {"serial", "board_uuid", "mac"}
    assert Delivery.objects.filter(event="agents.events.DeviceEnrolled").exists()
    entry = AuditEntry.objects.get(action="device.enrolled")
    assert entry.client_id == device.client_id
    assert "laptops" in entry.actor_label


@pytest.mark.django_db
def test_what_the_body_says_about_client_and_site_has_no_effect() -> None:
    rival = make.client("Rival")
    extra = {"client": rival.pk, "client_id": rival.pk, "site": make.site(rival).pk}
    assert _enrol(_token("Acme"), **extra).status_code == 201
    assert [device.client.name for device in _devices()] == ["Acme"]


@pytest.mark.django_db
def test_the_tokens_role_wins() -> None:
    assert _enrol(_token(role="server")).status_code == 201
    assert [device.role for device in _devices()] == ["server"]


@pytest.mark.django_db
def test_waits_for_a_person_where_the_token_says_so() -> None:
    answer = _enrol(_token(needs_approval=True))
    assert answer.json()["status"] == "pending"
    assert [device.state for device in _devices()] == [DeviceState.PENDING]


@pytest.mark.django_db
def test_refuses_tokens_that_do_not_let_in() -> None:
    expired, revoked, used = _token(days=1), _token(), _token()
    with acting_as(SYSTEM):
        rows = list(EnrolmentToken.objects.order_by("pk"))
        rows[0].expires_at = clock.now()
        rows[0].save()
        services.revoke_enrolment_token(rows[1].public_id, by=SYSTEM)
    assert _enrol(used).status_code == 201
    answers = [_enrol(token) for token in (expired, revoked, used, "msp_enrol_guess")]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (403, "token_expired"),
        (403, "token_unknown"),
        (403, "token_used_up"),
        (403, "token_unknown"),
    ]
    assert len(_devices()) == 1


@pytest.mark.django_db
def test_only_the_tokens_hash_is_stored() -> None:
    secret = _token()
    assert len(secret) > 40
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM agents_enrolmenttoken t")
        assert secret not in str(cursor.fetchall())
        cursor.execute("SELECT e::text FROM core_auditentry e")
        assert secret not in str(cursor.fetchall())


@pytest.mark.django_db
def test_a_nonce_works_once() -> None:
    token, nonce = _token(max_uses=2), _nonce()
    assert _enrol(token, nonce=nonce).status_code == 201
    again = _enrol(token, nonce=nonce)
    assert (again.status_code, again.json()["code"]) == (401, "nonce_unknown")


@pytest.mark.django_db
def test_a_nonce_padded_another_way_is_the_same_nonce() -> None:
    token, nonce = _token(max_uses=3), _nonce()
    assert _enrol(token, nonce=nonce).status_code == 201
    for spelling in (nonce + "=", nonce + "==", nonce + "\n"):
        assert _enrol(token, nonce=spelling).status_code == 401


@pytest.mark.django_db
def test_refuses_nonces_that_are_not_ours_or_too_old() -> None:
    token = _token()
    old = services.issue_nonce()
    with clock.at(clock.now() - timedelta(seconds=301)):
        stale = services.issue_nonce()
    forged = base64.urlsafe_b64encode(bytes(40)).decode().rstrip("=")
    for nonce in (stale, forged, "x", old[:-2] + ("AA" if old[-2:] != "AA" else "BB"), "ä" * 10):
        answer = _enrol(token, nonce=nonce)
        assert (answer.status_code, answer.json()["code"]) == (401, "nonce_unknown")
    assert _devices() == []


@pytest.mark.django_db
def test_asking_for_nonces_writes_nothing() -> None:
    for _ in range(5):
        _nonce()
    assert RequestNonce.objects.count() == 0


@pytest.mark.django_db
def test_drops_nonces_that_have_expired() -> None:
    _enrol(_token())
    assert services.drop_old_nonces() == 0
    with clock.at(clock.now() + timedelta(seconds=301)):
        assert services.drop_old_nonces() == 1


@pytest.mark.django_db
def test_refuses_a_machine_that_does_not_hold_the_key_it_brings() -> None:
    key = Ed25519PrivateKey.generate()
    body = _body(_token(), key)
    answer = _send(body, Ed25519PrivateKey.generate())
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert answer.json()["time"] > 0
    assert _devices() == []


@pytest.mark.django_db
def test_refuses_a_signature_meant_for_something_else() -> None:
    key = Ed25519PrivateKey.generate()
    wrong_id = _send(_body(_token(), key), key, keyid="0b0e9c1e-7f8f-4c39-9e4e-000000000001")
    assert (wrong_id.status_code, wrong_id.json()["code"]) == (401, "bad_signature")
    late = _send(_body(_token(), key), key, created=clock.now() - timedelta(minutes=6))
    assert (late.status_code, late.json()["code"]) == (401, "skewed")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"token": 1}',
        b"\xff\xfe",
        b"{" * 5000,
        b'{"a":' * 2000,
        b'"' + b"x" * 70_000 + b'"',
    ],
)
def test_a_body_that_is_no_enrolment_is_422(body: bytes) -> None:
    answer = _send(body, Ed25519PrivateKey.generate())
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_request")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes",
    [
        {"public_key": "!!"},
        {"public_key": base64.b64encode(bytes(31)).decode()},
        {"hardware": {"serial": 5}},
        {"hardware": None},
        {"name": "x" * 201},
        {"token": ""},
    ],
)
def test_a_field_that_is_wrong_is_422(changes: dict[str, Any]) -> None:
    assert _enrol(_token(), **changes).status_code == 422


@pytest.mark.django_db
def test_what_a_machine_calls_itself_is_one_printable_line() -> None:
    assert _enrol(_token(), name="a\x00b\n<b>\u202ec ").status_code == 201
    assert [device.name for device in _devices()] == ["ab <b>c"]


# ---------------------------------------------------------------- asking again, reinstalling


@pytest.mark.django_db
def test_a_lost_answer_costs_no_use() -> None:
    key, token = Ed25519PrivateKey.generate(), _token(max_uses=1)
    first, second = _enrol(token, key), _enrol(token, key)
    assert [first.status_code, second.status_code] == [201, 201]
    assert first.json()["key_id"] == second.json()["key_id"]
    assert len(_devices()) == 1


@pytest.mark.django_db
def test_a_reinstalled_machine_finds_its_record() -> None:
    token = _token(max_uses=5)
    assert _enrol(token).status_code == 201
    (device,) = _devices()
    _fall_silent(device, for_=timedelta(minutes=11))
    again = _enrol(token, hardware={**HARDWARE, "macs": ["00:1a:2b:00:00:01"]}, name="NEW")
    assert again.json()["device"] == str(device.public_id)
    with acting_as(SYSTEM):
        keys = list(DeviceKey.objects.order_by("pk").values_list("state", flat=True))
    assert keys == [KeyState.REVOKED, KeyState.ACTIVE]
    (device,) = _devices()
    assert device.name == "WS-042"  # what people see is not renamed by a machine


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("hardware", "silent", "site"),
    [
        (HARDWARE, timedelta(minutes=9), "Head office"),
        ({**HARDWARE, "board_uuid": "", "macs": []}, timedelta(hours=1), "Head office"),
        (HARDWARE, timedelta(hours=1), "Warehouse"),
        ({"serial": "None", "board_uuid": "", "macs": []}, timedelta(hours=1), "Head office"),
    ],
    ids=["it still reports", "one kind agrees", "another site", "placeholders"],
)
def test_otherwise_it_is_a_new_record(
    hardware: dict[str, Any], silent: timedelta, site: str
) -> None:
    token = _token(max_uses=5)
    first = hardware if hardware["serial"] == "None" else HARDWARE
    assert _enrol(token, hardware=first).status_code == 201
    (device,) = _devices()
    _fall_silent(device, for_=silent)
    with acting_as(SYSTEM):
        place = make.site(make.client("Acme"), site)
        _, other = services.make_enrolment_token(by=SYSTEM, site_id=place.pk, label="x")
    assert _enrol(other, hardware=hardware).status_code == 201
    assert len(_devices()) == 2


@pytest.mark.django_db
def test_a_retired_record_is_not_taken_up_again() -> None:
    token = _token(max_uses=5)
    _enrol(token)
    (device,) = _devices()
    _fall_silent(device, for_=timedelta(hours=1))
    with acting_as(SYSTEM):
        services.retire_device(device.public_id, by=SYSTEM)
    _enrol(token)
    assert [row.state for row in _devices()] == [DeviceState.RETIRED, DeviceState.ACTIVE]


@pytest.mark.django_db
def test_the_same_identifiers_at_a_rival_are_another_machine() -> None:
    assert _enrol(_token("Acme")).status_code == 201
    (device,) = _devices()
    _fall_silent(device, for_=timedelta(hours=1))
    assert _enrol(_token("Rival")).status_code == 201
    assert [row.client.name for row in _devices()] == ["Acme", "Rival"]


@pytest.mark.django_db
def test_a_machine_that_moves_leaves_its_old_record_without_a_key() -> None:
    key = Ed25519PrivateKey.generate()
    _enrol(_token("Acme"), key)
    _enrol(_token("Rival"), key)
    assert [row.client.name for row in _devices()] == ["Acme", "Rival"]
    with acting_as(SYSTEM):
        keys = list(DeviceKey.objects.order_by("pk").values_list("state", flat=True))
    assert keys == [KeyState.REVOKED, KeyState.ACTIVE]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_with_a_token_for_one_let_one_in() -> None:
    token = _token(max_uses=1)
    keys = [Ed25519PrivateKey.generate() for _ in range(4)]
    hardware = [{**HARDWARE, "serial": f"SERIAL-{n}", "macs": []} for n in range(4)]
    bodies = [_body(token, key, hardware=facts) for key, facts in zip(keys, hardware, strict=True)]
    together = threading.Barrier(len(keys))
    codes: list[int] = []

    def enrol(body: dict[str, Any], key: Ed25519PrivateKey) -> None:
        together.wait()
        try:
            codes.append(_send(body, key).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=enrol, args=pair) for pair in zip(bodies, keys, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [201, 403, 403, 403]
    assert len(_devices()) == 1


@pytest.mark.django_db
def test_a_person_makes_tokens_for_sites_they_see(technician: User, stranger: User) -> None:
    with acting_as(SYSTEM):
        site = make.site(make.client("Acme"))
    with acting_as(technician):
        token, _ = services.make_enrolment_token(by=technician, site_id=site.pk, label="laptops")
    assert token.created_by == technician
    with acting_as(stranger), pytest.raises(NotVisible):
        services.make_enrolment_token(by=stranger, site_id=site.pk, label="laptops")
