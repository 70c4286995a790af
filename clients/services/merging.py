"""Merge clients: a pointer, so that undoing is exact and append-only rows never change."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from clients.models import Client
from clients.services.common import Key, locked, named
from msp.core import audit, clock
from msp.core.errors import NotVisible, Refused
from msp.core.permissions import require
from msp.core.scope import Principal

PERMISSION = "clients.merge"


@transaction.atomic
def merge_clients(client_id: Key, *, into: Key, by: Principal, reason: str = "") -> Client:
    """Read one client under another from now on; return the one merged away.

    No row but the pointer is written. Whoever reaches `into` reaches both, portal managers of
    `into` included. The merged one keeps its contracts until they end.

    Errors: NotVisible; NotAllowed (needed for both); Refused for a client into itself, one merged
    already, or into one that was merged away itself, so a circle cannot come about.
    """
    rows: list[Client] = list(
        Client.objects.visible_to(by)
        .select_for_update()
        .filter(Q(**named(client_id)) | Q(**named(into)))
        .order_by("pk")  # both merges of a pair lock in one order
    )
    source, target = _among(rows, client_id), _among(rows, into)
    require(by, PERMISSION, source.pk)
    require(by, PERMISSION, target.pk)
    if source.pk == target.pk:
        raise Refused(_("A client cannot be merged into itself."), code="same_client")
    if source.merged_into_id is not None:
        raise Refused(
            _("%(name)s is merged already; undo that first.") % {"name": source.name},
            code="already_merged",
        )
    if target.merged_into_id is not None:
        raise Refused(
            _("%(name)s was merged away itself; choose the client it was merged into.")
            % {"name": target.name},
            code="target_merged",
        )
    source.merged_into, source.merged_at = target, clock.now()
    source.save(update_fields=["merged_into", "merged_at"])
    audit.record(
        "client.merged", source, by=by, client_id=source.pk, reason=reason,
        before={"merged_into": None}, after={"merged_into": target.pk},
    )  # fmt: skip
    return source


@transaction.atomic
def unmerge_client(client_id: Key, *, by: Principal, reason: str = "") -> Client:
    """Undo a merge exactly: the client stands on its own again, with its own rows.

    Errors: NotVisible; NotAllowed; Refused if it is not merged.
    """
    client = locked(Client, by, client_id)
    require(by, PERMISSION, client.pk)
    if client.merged_into_id is None:
        raise Refused(
            _("%(name)s is not merged into another client.") % {"name": client.name},
            code="not_merged",
        )
    before = {"merged_into": client.merged_into_id}
    client.merged_into, client.merged_at = None, None
    client.save(update_fields=["merged_into", "merged_at"])
    audit.record(
        "client.unmerged", client, by=by, client_id=client.pk, reason=reason,
        before=before, after={"merged_into": None},
    )  # fmt: skip
    return client


def _among(rows: list[Client], key: Key) -> Client:
    for row in rows:
        if key in (row.pk, row.public_id):
            return row
    raise NotVisible
