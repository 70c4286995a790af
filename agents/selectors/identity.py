"""Enrolment tokens and keys as screens and other apps ask for them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F, QuerySet

from agents.enums import KeyState
from agents.models import DeviceKey, EnrolmentToken
from clients.enums import ClientState
from clients.models import Site
from msp.core import clock
from msp.core.errors import NotVisible
from msp.core.scope import Principal


def token_list(user: Principal, *, usable: bool = False) -> QuerySet[EnrolmentToken]:
    """Return the enrolment tokens a person sees, newest first; only usable ones if asked."""
    rows = EnrolmentToken.objects.visible_to(user)
    if usable:
        rows = rows.filter(revoked_at__isnull=True, expires_at__gt=clock.now()).filter(
            uses__lt=F("max_uses")
        )
    return rows.select_related("client", "site", "created_by").order_by("-created_at", "-pk")  # type: ignore[no-any-return]


def get_token(user: Principal, public_id: UUID | str) -> EnrolmentToken:
    """Return a token's row (its secret is not stored). Errors: NotVisible."""
    found: EnrolmentToken | None = token_list(user).filter(public_id=public_id).first()
    if found is None:
        raise NotVisible
    return found


def enrolment_sites(user: Principal) -> QuerySet[Site]:
    """Return the sites that devices may join, by client and name."""
    rows = Site.objects.visible_to(user).current().exclude(client__state=ClientState.LEFT)
    return rows.select_related("client").order_by("client__name", "name", "pk")  # type: ignore[no-any-return]


def key_for(user: Principal, key_id: UUID | str) -> DeviceKey:
    """Return an active key with its device. Errors: NotVisible, also for a revoked one."""
    found: DeviceKey | None = (
        DeviceKey.objects.visible_to(user)
        .select_related("device", "client")
        .filter(key_id=key_id, state=KeyState.ACTIVE)
        .first()
    )
    if found is None:
        raise NotVisible
    return found
