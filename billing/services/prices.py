"""The price book, and prices agreed with one client. A price never changes: a new one begins."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from billing.models import ClientPrice, PriceItem, PriceVersion
from billing.permissions import PREPARE
from billing.services import common
from msp.core import audit, clock
from msp.core.errors import NotVisible, Refused
from msp.core.queue import enqueue
from msp.core.scope import Principal
from tickets.enums import WorkType


@transaction.atomic
def add_price_version(
    *,
    by: Principal,
    work_type: str,
    currency: str,
    price_per_hour: Decimal,
    valid_from: date,
    increment_minutes: int = 15,
    minimum_minutes: int = 0,
    reason: str = "",
) -> PriceVersion:
    """Set the price of an hour of one sort of work from a day on, for all clients.

    A version that begins on the same day is withdrawn: this one replaces it. Lines that waited for
    a price are priced soon after; lines that have one keep it.

    Errors: NotAllowed unless for all clients; BadInput.
    """
    common.require_everywhere(by, PREPARE)
    item = price_item(common.work(work_type))
    code = common.currency_code(currency)
    common.steps(increment_minutes, minimum_minutes)
    common.hold("price-item", item.pk)
    for old in PriceVersion.objects.filter(
        item=item, currency=code, valid_from=valid_from, withdrawn_at__isnull=True
    ):
        _withdraw(old, by=by, reason=_("Replaced on the same day."))
    version = PriceVersion.objects.create(
        item=item,
        currency=code,
        price_per_hour=common.price(price_per_hour, "price_per_hour"),
        valid_from=valid_from,
        increment_minutes=increment_minutes,
        minimum_minutes=minimum_minutes,
        created_by=common.person(by),
    )
    audit.record("price.added", version, by=by, reason=reason, after=_facts(version))
    enqueue("billing.price_exceptions", once=True)
    return version


@transaction.atomic
def withdraw_price_version(public_id: UUID | str, *, by: Principal, reason: str) -> PriceVersion:
    """Take a version of the price book back; what it priced already keeps its price.

    Errors: NotVisible; NotAllowed; BadInput without a reason; Refused if it is withdrawn.
    """
    common.require_everywhere(by, PREPARE)
    version = PriceVersion.objects.select_for_update().filter(public_id=public_id).first()
    if version is None:
        raise NotVisible
    if version.withdrawn_at is not None:
        raise Refused(_("This price is withdrawn already."), code="withdrawn")
    _withdraw(version, by=by, reason=common.need(reason, "reason", most=250))
    return version


@transaction.atomic
def add_client_price(
    client_id: int,
    *,
    by: Principal,
    work_type: str,
    price_per_hour: Decimal,
    starts_on: date,
    ends_on: date | None = None,
    increment_minutes: int = 15,
    minimum_minutes: int = 0,
    reason: str = "",
) -> ClientPrice:
    """Agree a price of an hour with one client, in its currency; it goes before the price book.

    An earlier price without an end ends the day before.

    Errors: NotVisible; NotAllowed; BadInput if another agreed price holds on one of the days.
    """
    client = common.client_for(by, client_id, PREPARE)
    common.span(starts_on, ends_on)
    common.steps(increment_minutes, minimum_minutes)
    item = price_item(common.work(work_type))
    common.hold("client-price", client.pk)
    same = ClientPrice.objects.filter(client=client, item=item, currency=client.currency)
    for old in same.filter(
        ends_on__isnull=True, starts_on__lt=starts_on, withdrawn_at__isnull=True
    ):
        old.ends_on = starts_on - timedelta(days=1)
        old.save(update_fields=["ends_on"])
        audit.record("client_price.ended", old, by=by, after={"ends_on": str(old.ends_on)})
    with common.no_overlap(_("Another price is agreed for some of these days.")):
        made = ClientPrice.objects.create(
            client=client,
            item=item,
            currency=client.currency,
            price_per_hour=common.price(price_per_hour, "price_per_hour"),
            starts_on=starts_on,
            ends_on=ends_on,
            increment_minutes=increment_minutes,
            minimum_minutes=minimum_minutes,
            created_by=common.person(by),
        )
    after = {"item": item.key, "price": str(price_per_hour), "from": str(starts_on)}
    audit.record("client_price.added", made, by=by, reason=reason, after=after)
    enqueue("billing.price_exceptions", once=True)
    return made


def price_item(work_type: str) -> PriceItem:
    """Return the item of the price book for an hour of one sort of work, made if absent."""
    item, _made = PriceItem.objects.get_or_create(
        work_type=work_type,
        defaults={
            "key": f"labour-{work_type}",
            "name": _("Labour, %(work)s") % {"work": str(WorkType(work_type).label).lower()},
        },
    )
    return item


def _withdraw(version: PriceVersion, *, by: Principal, reason: str) -> None:
    version.withdrawn_at = clock.now()
    version.save(update_fields=["withdrawn_at"])
    audit.record("price.withdrawn", version, by=by, reason=reason, before=_facts(version))


def _facts(version: PriceVersion) -> dict[str, object]:
    return {
        "item": version.item.key,
        "currency": version.currency,
        "price_per_hour": str(version.price_per_hour),
        "from": version.valid_from.isoformat(),
        "increment_minutes": version.increment_minutes,
        "minimum_minutes": version.minimum_minutes,
    }
