"""Prices as screens and the drafting of lines ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet
from django.utils.translation import gettext as _

from billing.domain.pricing import TimeRounding
from billing.enums import LineKind
from billing.models import ClientPrice, ContractLine, PriceItem, PriceVersion
from billing.words import day_words
from clients import selectors as client_selectors
from clients.models import Client
from msp.core.errors import NotVisible
from msp.core.scope import Principal
from tickets.enums import WorkType


@dataclass(frozen=True)
class HourPrice:
    """What an hour costs, how its minutes are rounded, and where that is written."""

    price_per_hour: Decimal
    rounding: TimeRounding
    source: str


def hour_price(
    *, client_id: int, contract_id: int | None, work_type: str, currency: str, day: date
) -> HourPrice | None:
    """Return the price of an hour of work on a day, None if nobody has set one.

    The contract's own line goes first (the one for this work before one for any), then the client's
    own price, then the price book. Asked under the scope in force.
    """
    line = (
        ContractLine.objects.filter(
            Q(work_type=work_type) | Q(work_type=""),
            client=client_id,
            contract=contract_id,
            kind=LineKind.TIME_AND_MATERIAL,
            currency=currency,
        )
        .on(day)
        .order_by("-work_type", "-starts_on", "-pk")
        .first()
        if contract_id is not None
        else None
    )
    if line is not None:
        return _terms(line.amount, line, _("contract, “%(name)s”") % {"name": line.name})
    agreed = (
        ClientPrice.objects.filter(client=client_id, item__work_type=work_type, currency=currency)
        .on(day)
        .first()
    )
    if agreed is not None:
        since = day_words(agreed.starts_on)
        source = _("agreed price since %(day)s") % {"day": since}
        return _terms(agreed.price_per_hour, agreed, source)
    version = (
        PriceVersion.objects.filter(
            item__work_type=work_type,
            currency=currency,
            valid_from__lte=day,
            withdrawn_at__isnull=True,
        )
        .order_by("-valid_from")
        .first()
    )
    if version is None:
        return None
    since = day_words(version.valid_from)
    return _terms(version.price_per_hour, version, _("price book since %(day)s") % {"day": since})


def _terms(
    price: Decimal, row: ContractLine | ClientPrice | PriceVersion, source: str
) -> HourPrice:
    return HourPrice(price, TimeRounding(row.increment_minutes, row.minimum_minutes), source)


def price_items() -> QuerySet[PriceItem]:
    """Return the price book: items with their versions that hold, newest first."""
    versions = (
        PriceVersion.objects.filter(withdrawn_at__isnull=True)
        .select_related("created_by")
        .order_by("currency", "-valid_from")
    )
    return PriceItem.objects.prefetch_related(Prefetch("versions", versions, "shown"))


@dataclass(frozen=True)
class BookEntry:
    """A version of a price, and whether it holds, is to come, or is past."""

    version: PriceVersion
    standing: str


def price_book(today: date) -> list[tuple[str, str, list[BookEntry]]]:
    """Return each sort of work with its name and versions; also those without any price."""
    versions: dict[str, list[PriceVersion]] = {
        item.work_type: item.shown  # type: ignore[attr-defined]
        for item in price_items()
        if item.work_type
    }
    return [
        (work.value, str(work.label), _standing(versions.get(work.value, []), today))
        for work in WorkType
    ]


def _standing(versions: list[PriceVersion], today: date) -> list[BookEntry]:
    """Mark versions, newest first within a currency: the first that has begun holds."""
    entries, holding = [], set()
    for version in versions:
        if version.valid_from > today:
            standing = "coming"
        elif version.currency in holding:
            standing = "past"
        else:
            standing = "holds"
            holding.add(version.currency)
        entries.append(BookEntry(version, standing))
    return entries


def get_price_version(public_id: UUID | str) -> PriceVersion:
    """Return a version of the price book. Errors: NotVisible."""
    found = PriceVersion.objects.select_related("item").filter(public_id=public_id).first()
    if found is None:
        raise NotVisible
    return found


def client_prices(user: Principal, client: Client) -> QuerySet[ClientPrice]:
    """Return the prices agreed with a client or its merged family, newest first."""
    return (  # type: ignore[no-any-return]
        ClientPrice.objects.seen_by(user)
        .filter(client__in=client_selectors.family_ids(client), withdrawn_at__isnull=True)
        .select_related("item")
        .order_by("item__name", "-starts_on")
    )
