"""Use cases about devices that are known already."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from agents.enums import DeviceRole, DeviceState, KeyState
from agents.models import Device, DeviceKey
from clients.models import Site
from msp.core import audit, clock, live
from msp.core.errors import BadInput, NotVisible, Refused
from msp.core.permissions import require
from msp.core.scope import Principal


@transaction.atomic
def approve_device(public_id: UUID | str, *, by: Principal) -> Device:
    """Let a device that waits for a person report.

    Errors: NotVisible; NotAllowed; Refused if it does not wait.
    """
    device = _locked(public_id, by)
    require(by, "agents.enrol", device.client_id)
    if device.state != DeviceState.PENDING:
        raise Refused("This device does not wait for approval.")
    device.state = DeviceState.ACTIVE
    device.save(update_fields=["state"])
    audit.record("device.approved", device, by=by)
    live.touch("devices", str(device.public_id), client_id=device.client_id)
    return device


@transaction.atomic
def change_device(
    public_id: UUID | str, *, by: Principal, name: str, role: str, site_id: int, notes: str = ""
) -> Device:
    """Change what people decide about a device; what it reports is not theirs to change.

    Errors: NotVisible, also for a site of another client; NotAllowed; BadInput.
    """
    device = _locked(public_id, by)
    require(by, "agents.change", device.client_id)
    if role not in DeviceRole.values:
        raise BadInput("This is not a role of a device.", field="role")
    if not name.strip():
        raise BadInput("A device has a name.", field="name")
    site = Site.objects.visible_to(by).filter(pk=site_id, client_id=device.client_id).first()
    if site is None:
        raise NotVisible
    before = _facts(device)
    device.name, device.role, device.site, device.notes = name.strip(), role, site, notes
    device.save(update_fields=["name", "role", "site", "notes"])
    if before != _facts(device):
        audit.record("device.changed", device, by=by, before=before, after=_facts(device))
        live.touch("devices", str(device.public_id), client_id=device.client_id)
    return device


@transaction.atomic
def retire_device(public_id: UUID | str, *, by: Principal, reason: str = "") -> Device:
    """Take a device out of use: its key ends, its history stays.

    Errors: NotVisible; NotAllowed; Refused if it is retired already.
    """
    device = _locked(public_id, by)
    require(by, "agents.change", device.client_id)
    if device.state == DeviceState.RETIRED:
        raise Refused("This device is retired already.")
    before = {"state": device.state}
    device.state, device.retired_at = DeviceState.RETIRED, clock.now()
    device.save(update_fields=["state", "retired_at"])
    _end_keys(device)
    audit.record(
        "device.retired",
        device,
        by=by,
        reason=reason,
        before=before,
        after={"state": device.state},
    )
    live.touch("devices", str(device.public_id), client_id=device.client_id)
    return device


@transaction.atomic
def revoke_key(public_id: UUID | str, *, by: Principal, reason: str = "") -> Device:
    """End a device's key without retiring it: it must enrol again to report.

    Errors: NotVisible; NotAllowed; Refused if it has no key in force.
    """
    device = _locked(public_id, by)
    require(by, "agents.change", device.client_id)
    if not _end_keys(device):
        raise Refused("This device has no key in force.")
    audit.record("device.key_revoked", device, by=by, reason=reason)
    live.touch("devices", str(device.public_id), client_id=device.client_id)
    return device


@transaction.atomic
def refresh_from_inventory(*, by: Principal) -> int:
    """Take system and agent version over from the newest inventory; return how many changed.

    The telemetry writer may not change devices, so this runs behind it.
    """
    changed = 0
    rows = (
        Device.objects.visible_to(by)
        .select_for_update(of=("self",), skip_locked=True)
        .filter(sections__section="system", state=DeviceState.ACTIVE)
        .prefetch_related("sections")
    )
    for device in rows:
        content = next(row.content for row in device.sections.all() if row.section == "system")
        fresh = _system_facts(content)
        stale = {
            field for field, value in fresh.items() if value and getattr(device, field) != value
        }
        if stale:
            for field in stale:
                setattr(device, field, fresh[field])
            device.save(update_fields=sorted(stale))
            live.touch("devices", str(device.public_id), client_id=device.client_id)
            changed += 1
    return changed


def _system_facts(content: object) -> dict[str, str]:
    section = content if isinstance(content, dict) else {}
    system = section.get("os")
    system = system if isinstance(system, dict) else {}
    return {
        "os_family": str(system.get("family") or "")[:20],
        "os_name": str(system.get("name") or "")[:120],
        "os_version": str(system.get("version") or "")[:80],
        "agent_version": str(section.get("agent_version") or "")[:40],
    }


def _locked(public_id: UUID | str, by: Principal) -> Device:
    found: Device | None = (
        Device.objects.visible_to(by).select_for_update().filter(public_id=public_id).first()
    )
    if found is None:
        raise NotVisible
    return found


def _end_keys(device: Device) -> int:
    return DeviceKey.objects.filter(device=device, state=KeyState.ACTIVE).update(
        state=KeyState.REVOKED, revoked_at=clock.now()
    )


def _facts(device: Device) -> dict[str, str | int]:
    return {
        "name": device.name,
        "role": device.role,
        "site": device.site_id,
        "notes": device.notes,
    }
