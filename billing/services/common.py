"""What the services of `billing` share: locks, permission, months, checked input."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar, cast

from django.db import IntegrityError, connection, models, transaction
from django.utils.translation import gettext as _

from billing.domain.fees import month_of
from clients.models import Client
from msp.core.errors import BadInput, NotAllowed, NotVisible
from msp.core.models import User
from msp.core.money import quantum
from msp.core.permissions import reach, require
from msp.core.scope import Principal
from msp.core.tenancy import TenantQuerySet
from tickets.enums import WorkType

M = TypeVar("M", bound=models.Model)

#: A price or fee beyond this is a slip of the finger.
HIGHEST = Decimal(10) ** 9
_TOKENS = uuid.UUID("0f5b9a6e-0b1d-4f0e-8a3c-5f3f9e1c7d42")


def hold(kind: str, key: int) -> None:
    """Let one transaction at a time do this for one contract or client, until it ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"billing:{kind}:{key}"]
        )


def seen(model: type[M], by: Principal, *, lock: bool = False, **which: Any) -> M:
    """Return a row that a principal reaches, locked until the transaction ends if asked.

    Errors: NotVisible.
    """
    rows = cast("TenantQuerySet[M]", model._default_manager.all()).visible_to(by)
    if lock:
        rows = rows.select_for_update(of=("self",))
    found = rows.filter(**which).first()
    if found is None:
        raise NotVisible
    return found


def client_for(by: Principal, client_id: int, permission: str) -> Client:
    """Return a client for whom the principal may do this.

    Errors: NotVisible, NotAllowed.
    """
    client = seen(Client, by, pk=client_id)
    require(by, permission, client.pk)
    return client


def require_everywhere(by: Principal, permission: str) -> None:
    """Refuse unless the principal may do this for every client, as the price book needs.

    Errors: NotAllowed.
    """
    require(by, permission)
    if reach(by, permission) is not None:
        raise NotAllowed(_("This needs a role for all clients; yours is for some."))


def month(period: date) -> date:
    """Return the first day of the month. Errors: BadInput for a day that is not in our time."""
    if not 2000 <= period.year <= 2999:
        raise BadInput(_("This month makes no sense."), field="period")
    return month_of(period)


def price(value: Decimal, field: str) -> Decimal:
    """Return a price of 0 or more with at most four places. Errors: BadInput."""
    if not value.is_finite() or not 0 <= value <= HIGHEST:
        raise BadInput(_("Between 0 and one billion."), field=field)
    if value != round(value, 4):
        raise BadInput(_("At most four decimal places."), field=field)
    return value


def currency_code(value: str, field: str = "currency") -> str:
    """Return an ISO 4217 code in capitals. Errors: BadInput."""
    code = value.strip().upper()
    try:
        quantum(code)
    except ValueError as error:
        raise BadInput(_("Three letters, such as EUR."), field=field) from error
    return code


def steps(increment_minutes: int, minimum_minutes: int) -> None:
    """Refuse a rounding of minutes that leads nowhere. Errors: BadInput."""
    if not 1 <= increment_minutes <= 24 * 60:
        raise BadInput(_("Between 1 and 1440 minutes."), field="increment_minutes")
    if not 0 <= minimum_minutes <= 24 * 60:
        raise BadInput(_("Between 0 and 1440 minutes."), field="minimum_minutes")


def work(value: str, field: str = "work_type", *, blank: bool = False) -> str:
    """Return a known sort of work. Errors: BadInput."""
    if (blank and not value) or value in WorkType.values:
        return str(value)
    raise BadInput(_("This is not one of the choices."), field=field)


def need(text: str, field: str, *, most: int) -> str:
    """Return text without outer blanks. Errors: BadInput if nothing is left or it is too long."""
    text = text.strip()
    if not text:
        raise BadInput(_("This must not be empty."), field=field)
    if len(text) > most:
        raise BadInput(_("At most %(most)s characters.") % {"most": most}, field=field)
    return text


def span(starts_on: date, ends_on: date | None) -> None:
    """Refuse an end before the start. Errors: BadInput."""
    if ends_on is not None and ends_on < starts_on:
        raise BadInput(_("The end lies before the start."), field="ends_on")


@contextmanager
def no_overlap(message: str, field: str = "starts_on") -> Iterator[None]:
    """Turn a broken exclusion or unique constraint into bad input; the constraint settles races.

    Errors: BadInput.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise BadInput(message, field=field, code="overlap") from error


def person(by: Principal) -> User | None:
    """Return the principal as a person, None for machines."""
    return by if isinstance(by, User) else None


def id_for(by: Principal, token: str) -> uuid.UUID:
    """Return the public id that one submission of a form leads to; a random one without a token."""
    return uuid.uuid5(_TOKENS, f"{by.pk or by}:{token}") if token else uuid.uuid4()
