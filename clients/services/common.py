"""What the services of `clients` share: reading rows for change, and saying what changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, TypeVar, cast
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext as _

from msp.core.errors import BadInput, NotVisible
from msp.core.scope import Principal
from msp.core.tenancy import TenantQuerySet

M = TypeVar("M", bound=models.Model)
#: How a caller names a row: by its key, or by its public id as an edge has it.
Key = int | UUID


def named(key: Key) -> dict[str, Key]:
    """Return the filter that finds the row a caller names."""
    return {"public_id": key} if isinstance(key, UUID) else {"pk": key}


def locked(model: type[M], by: Principal, key: Key) -> M:
    """Return a row the principal sees, locked until the transaction ends.

    Errors: NotVisible.
    """
    rows = cast("TenantQuerySet[M]", model._default_manager.all())
    found = rows.visible_to(by).select_for_update(of=("self",)).filter(**named(key)).first()
    if found is None:
        raise NotVisible
    return found


def apply(row: models.Model, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Set what differs on the row; return before and after, in JSON types, of just that."""
    before, after = {}, {}
    for name, value in values.items():
        old = getattr(row, name)
        if old != value:
            before[name], after[name] = plain(old), plain(value)
            setattr(row, name, value)
    return before, after


def only(allowed: frozenset[str], values: Mapping[str, Any]) -> None:
    """Refuse a name that is not one of the fields a service sets: a mistake of the caller.

    Errors: TypeError.
    """
    if unknown := set(values) - allowed:
        raise TypeError(f"These cannot be set here: {', '.join(sorted(unknown))}.")


def plain(value: Any) -> Any:
    """Return a value as an audit row keeps it."""
    if isinstance(value, models.Model):
        return value.pk
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value


@contextmanager
def unique(message: str, field: str) -> Iterator[None]:
    """Turn a broken unique constraint into bad input on a field; the constraint settles races.

    Errors: BadInput.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise BadInput(message, field=field, code="taken") from error


def need(text: str, field: str, *, most: int) -> str:
    """Return the text without outer spaces.

    Errors: BadInput if nothing is left or it is too long.
    """
    text = text.strip()
    if not text:
        raise BadInput(_("This must not be empty."), field=field)
    if len(text) > most:
        raise BadInput(_("At most %(most)s characters.") % {"most": most}, field=field)
    return text


def known(value: str, values: list[str], field: str) -> str:
    """Return the value if it is one of a closed set.

    Errors: BadInput.
    """
    if value not in values:
        raise BadInput(_("“%(value)s” is not one of the choices.") % {"value": value}, field=field)
    return value


def checked_zone(zone: str, field: str = "zone") -> str:
    """Return an IANA zone that exists on this machine.

    Errors: BadInput.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput(
            _("There is no time zone “%(zone)s”; write it as Europe/Dublin.") % {"zone": zone},
            field=field,
        ) from error
    return zone


def checked_email(email: str, field: str = "email") -> str:
    """Return the address in lower case.

    Errors: BadInput.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise BadInput(
            _("“%(email)s” is not an e-mail address.") % {"email": email}, field=field
        ) from error
    return email
