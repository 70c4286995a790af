"""How a machine comes to be known: a token made by a person, a key made by the machine.

The token says which client and site the machine belongs to; nothing that the machine sends does.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.crypto import salted_hmac

from agents.domain.identifiers import Identifiers, clean, matching_kinds
from agents.enums import DeviceRole, DeviceState, KeyState
from agents.events import DeviceEnrolled
from agents.models import Device, DeviceKey, EnrolmentToken, Identifier, RequestNonce
from clients.models import Site
from msp.core import audit, clock, live
from msp.core.errors import BadInput, NotVisible, Refused, ServiceError
from msp.core.events import publish
from msp.core.models import User
from msp.core.permissions import require
from msp.core.scope import Principal, SystemPrincipal, acting_as

TOKEN_PREFIX = "msp_enrol_"  # noqa: S105 - the part that is no secret
TOKEN_BYTES = 32
DEFAULT_DAYS, MAX_DAYS = 7, 90
MAX_USES = 10_000
NONCE_SECONDS = 300
_NONCE_RANDOM, _NONCE_MAC = 16, 16
_NONCE_SALT = "agents.enrolment.nonce"
#: Two of three kinds of identifier, and silence: telemetry design, section 4 ("Reinstall").
MATCHING_KINDS = 2
SILENT_FOR = timedelta(minutes=10)


class EnrolmentRefused(ServiceError):
    """A machine may not join. Codes: token_unknown, token_expired, token_used_up, nonce_unknown."""

    status = 403


@dataclass(frozen=True)
class Machine:
    """What a machine says of itself when it joins; believed for display, never for ownership."""

    name: str
    role: str
    serial: str = ""
    board_uuid: str = ""
    macs: tuple[str, ...] = ()
    os_family: str = ""
    os_name: str = ""
    os_version: str = ""
    agent_version: str = ""


@dataclass(frozen=True)
class Enrolled:
    """A machine's record and its key; `is_new` tells a new record from one found again."""

    device: Device
    key: DeviceKey
    is_new: bool


@transaction.atomic
def make_enrolment_token(
    *,
    by: Principal,
    site_id: int,
    label: str,
    role: str = "",
    max_uses: int = 1,
    days: int = DEFAULT_DAYS,
    needs_approval: bool = False,
) -> tuple[EnrolmentToken, str]:
    """Make a token for one site; return its row and the secret, which is shown this once.

    Errors: NotVisible for a site that is not theirs; NotAllowed; BadInput.
    """
    site = Site.objects.visible_to(by).filter(pk=site_id, archived_at__isnull=True).first()
    if site is None:
        raise NotVisible
    require(by, "agents.enrol", site.client_id)
    if not label.strip():
        raise BadInput("Say what the token is for.", field="label")
    if role and role not in DeviceRole.values:
        raise BadInput("This is not a role of a device.", field="role")
    if not 1 <= max_uses <= MAX_USES:
        raise BadInput("A token lets between 1 and 10,000 devices join.", field="max_uses")
    if not 1 <= days <= MAX_DAYS:
        raise BadInput("A token is valid for 1 to 90 days.", field="days")
    secret = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    token = EnrolmentToken.objects.create(
        client_id=site.client_id,
        site=site,
        label=label.strip(),
        role=role,
        token_sha256=_token_hash(secret),
        max_uses=max_uses,
        needs_approval=needs_approval,
        expires_at=clock.now() + timedelta(days=days),
        created_by=by if isinstance(by, User) else None,
    )
    audit.record(
        "enrolment_token.made",
        token,
        by=by,
        after={
            "site": site.pk,
            "label": token.label,
            "max_uses": max_uses,
            "expires_at": token.expires_at.isoformat(),
            "needs_approval": needs_approval,
        },
    )
    return token, secret


@transaction.atomic
def revoke_enrolment_token(public_id: UUID | str, *, by: Principal) -> EnrolmentToken:
    """End a token; devices that joined by it stay.

    Errors: NotVisible; NotAllowed; Refused if it has ended already.
    """
    token = (
        EnrolmentToken.objects.visible_to(by)
        .select_for_update()
        .filter(public_id=public_id)
        .first()
    )
    if token is None:
        raise NotVisible
    require(by, "agents.enrol", token.client_id)
    if token.revoked_at is not None:
        raise Refused("This token has been revoked already.")
    token.revoked_at = clock.now()
    token.save(update_fields=["revoked_at"])
    audit.record("enrolment_token.revoked", token, by=by)
    return token  # type: ignore[no-any-return]


def issue_nonce() -> str:
    """Return a nonce that is valid for five minutes, once.

    It carries its time and our mark, and only used ones are stored: whoever asks without a
    signature makes us write nothing.
    """
    body = struct.pack(">Q", int(clock.now().timestamp())) + secrets.token_bytes(_NONCE_RANDOM)
    return urlsafe_b64encode(body + _nonce_mark(body)).decode().rstrip("=")


def use_nonce(nonce: str) -> None:
    """Mark a nonce as used.

    Errors: EnrolmentRefused `nonce_unknown` if it is not ours, too old or used before.
    """
    refusal = EnrolmentRefused("The nonce is not known, or no longer.", code="nonce_unknown")
    try:
        raw = urlsafe_b64decode(nonce + "=" * (-len(nonce) % 4))
    except ValueError:
        raise refusal from None
    body, mark = raw[:-_NONCE_MAC], raw[-_NONCE_MAC:]
    if len(body) != 8 + _NONCE_RANDOM or not hmac.compare_digest(mark, _nonce_mark(body)):
        raise refusal
    expires_at = datetime.fromtimestamp(struct.unpack(">Q", body[:8])[0], UTC) + timedelta(
        seconds=NONCE_SECONDS
    )
    now = clock.now()
    if now > expires_at:
        raise refusal
    # The canonical spelling, so that one nonce is one row however its text is padded.
    spelling = urlsafe_b64encode(raw).decode().rstrip("=")
    try:
        with transaction.atomic():
            RequestNonce.objects.create(nonce=spelling, expires_at=expires_at, used_at=now)
    except IntegrityError:
        raise refusal from None


def drop_old_nonces() -> int:
    """Delete nonces that could not be used again anyway; return how many."""
    deleted, _ = RequestNonce.objects.filter(expires_at__lt=clock.now()).delete()
    return deleted


@transaction.atomic
def enrol_device(secret: str, *, public_key: bytes, machine: Machine) -> Enrolled:
    """Give a machine that proved its key a record at the token's site.

    Asking again with the same key and token (the answer was lost) finds the same record and costs
    no use. A reinstalled machine finds its old record if two kinds of identifier agree at that site
    and the record has been silent; otherwise a person decides later, and it is a new one.

    Errors: EnrolmentRefused `token_unknown`, `token_expired`, `token_used_up`.
    Publishes: DeviceEnrolled.
    """
    token = (
        EnrolmentToken.objects.unscoped()
        .select_for_update()
        .filter(token_sha256=_token_hash(secret), revoked_at__isnull=True)
        .first()
    )
    if token is None:
        raise EnrolmentRefused("This token is not known.", code="token_unknown")
    by = SystemPrincipal(f"enrolment by token “{token.label}”")
    with acting_as(by):
        known = _key_in_force(public_key)
        if known is not None and known.device.site_id == token.site_id:
            return Enrolled(known.device, known, is_new=False)
        if token.expires_at <= clock.now():
            raise EnrolmentRefused("This token has expired.", code="token_expired")
        if token.uses >= token.max_uses:
            raise EnrolmentRefused("This token has been used up.", code="token_used_up")
        token.uses += 1
        token.save(update_fields=["uses"])
        if known is not None:
            # The machine moved to another site or client with its key; the old record stays there.
            _end_key(known, by=by, reason="the machine enrolled elsewhere")
        return _join(token, public_key, machine, by=by)


def _join(
    token: EnrolmentToken, public_key: bytes, machine: Machine, *, by: SystemPrincipal
) -> Enrolled:
    facts = clean(serial=machine.serial, board_uuid=machine.board_uuid, macs=machine.macs)
    device = _reinstalled(token, facts)
    is_new = device is None
    now = clock.now()
    if device is None:
        device = Device(client_id=token.client_id, site_id=token.site_id)
        device.name = _printable(machine.name, 120) or "?"
        role = token.role or machine.role
        device.role = role if role in DeviceRole.values else DeviceRole.WORKSTATION
    device.state = DeviceState.PENDING if token.needs_approval else DeviceState.ACTIVE
    device.os_family = _printable(machine.os_family, 20)
    device.os_name = _printable(machine.os_name, 120)
    device.os_version = _printable(machine.os_version, 80)
    device.agent_version = _printable(machine.agent_version, 40)
    device.enrolled_at = now
    device.save()
    for old in DeviceKey.objects.filter(device=device, state=KeyState.ACTIVE):
        _end_key(old, by=by, reason="the machine was reinstalled")
    key = DeviceKey.objects.create(
        client_id=token.client_id, device=device, public_key=public_key, created_at=now
    )
    for kind, value in sorted(facts):
        Identifier.objects.update_or_create(
            client_id=token.client_id,
            device=device,
            kind=kind,
            value=value,
            defaults={"last_seen_at": now},
            create_defaults={"first_seen_at": now, "last_seen_at": now},
        )
    audit.record(
        "device.enrolled" if is_new else "device.enrolled_again",
        device,
        by=by,
        after={
            "name": device.name,
            "site": device.site_id,
            "state": device.state,
            "token": token.pk,
            "key": str(key.key_id),
        },
    )
    publish(DeviceEnrolled(device_id=device.pk, client_id=device.client_id))
    live.touch("devices", str(device.public_id), client_id=device.client_id)
    return Enrolled(device, key, is_new=is_new)


def _reinstalled(token: EnrolmentToken, facts: Identifiers) -> Device | None:
    """Return the one silent record at the site that this machine must have been, or None."""
    if not facts:
        return None
    silent_since = clock.now() - SILENT_FOR
    candidates = (
        Device.objects.filter(
            client_id=token.client_id,
            site_id=token.site_id,
            merged_into__isnull=True,
            state__in=[DeviceState.ACTIVE, DeviceState.PENDING],
            identifiers__value__in=[value for _, value in facts],
            enrolled_at__lt=silent_since,
        )
        .exclude(checkin__last_report_at__gte=silent_since)
        .distinct()
        .prefetch_related("identifiers")
    )
    matching = [
        device
        for device in candidates
        if matching_kinds(
            frozenset((row.kind, row.value) for row in device.identifiers.all()), facts
        )
        >= MATCHING_KINDS
    ]
    if len(matching) != 1:
        return None
    locked: Device = Device.objects.select_for_update().get(pk=matching[0].pk)
    return locked


def _key_in_force(public_key: bytes) -> DeviceKey | None:
    found: DeviceKey | None = (
        DeviceKey.objects.select_related("device")
        .filter(public_key=public_key, state=KeyState.ACTIVE)
        .first()
    )
    return found


def _end_key(key: DeviceKey, *, by: SystemPrincipal, reason: str) -> None:
    key.state, key.revoked_at = KeyState.REVOKED, clock.now()
    key.save(update_fields=["state", "revoked_at"])
    audit.record("device.key_revoked", key.device, by=by, reason=reason)


def _token_hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _nonce_mark(body: bytes) -> bytes:
    return salted_hmac(_NONCE_SALT, body, algorithm="sha256").digest()[:_NONCE_MAC]


def _printable(text: str, length: int) -> str:
    """Return text for one line of a page: a machine's words may hold anything."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:length]
