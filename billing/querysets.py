"""Chainable words of `billing`."""

from __future__ import annotations

from datetime import date
from typing import Self

from django.db.models import Q

from billing.enums import DraftLineState, InvoiceState
from billing.permissions import VIEW
from msp.core.permissions import reach
from msp.core.scope import Principal, Scope
from msp.core.tenancy import TenantQuerySet

#: Contact roles that see their company's invoices in the portal.
BILLING_ROLES = frozenset({"manager", "billing", "approver"})


class BillingQuerySet(TenantQuerySet):  # type: ignore[type-arg]
    """Rows of billing; contacts see none unless a model says more."""

    def seen_by(self, user: Principal, permission: str = VIEW) -> Self:
        """Keep what a principal reaches and, for staff, holds the permission for."""
        rows = self.visible_to(user)
        ids = reach(user, permission)
        return rows if ids is None else rows.filter(client_id__in=ids)


class HoldsQuerySet(BillingQuerySet):
    """Rows that hold from one day to another, both included, unless withdrawn."""

    def on(self, day: date) -> Self:
        """Keep what holds on a day."""
        return self.filter(
            Q(ends_on__isnull=True) | Q(ends_on__gte=day),
            starts_on__lte=day,
            withdrawn_at__isnull=True,
        )

    def between(self, first: date, last: date) -> Self:
        """Keep what holds on at least one day of a span."""
        return self.filter(
            Q(ends_on__isnull=True) | Q(ends_on__gte=first),
            starts_on__lte=last,
            withdrawn_at__isnull=True,
        )


class DraftLineQuerySet(BillingQuerySet):
    def waiting(self) -> Self:
        """Keep lines that no posted invoice has, and that nobody left out."""
        return self.filter(state=DraftLineState.DRAFT)

    def loose(self) -> Self:
        """Keep waiting lines that are on no draft invoice either."""
        return self.waiting().filter(invoice__isnull=True)

    def exceptions(self) -> Self:
        """Keep waiting lines that have no amount yet."""
        return self.waiting().exclude(exception="")


class DocumentQuerySet(BillingQuerySet):
    """Invoices and credit notes."""

    def for_contact(self, scope: Scope) -> Self:
        """Let those who pay the bills see posted documents."""
        if not scope.contact_roles & BILLING_ROLES:
            return self.none()
        return self.posted()

    def posted(self) -> Self:
        return self.filter(state=InvoiceState.POSTED)

    def without_pdf(self) -> Self:
        """Keep posted documents whose PDF is not made yet."""
        return self.posted().filter(pdf__isnull=True)


class InvoiceLineQuerySet(BillingQuerySet):
    def for_contact(self, scope: Scope) -> Self:
        if not scope.contact_roles & BILLING_ROLES:
            return self.none()
        return self.filter(invoice__state=InvoiceState.POSTED)


class CreditNoteLineQuerySet(BillingQuerySet):
    def for_contact(self, scope: Scope) -> Self:
        if not scope.contact_roles & BILLING_ROLES:
            return self.none()
        return self.filter(credit_note__state=InvoiceState.POSTED)
