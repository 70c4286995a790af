"""Pages of what waits to be billed, of invoices and of credit notes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from billing import selectors, services
from billing.enums import DraftLineState
from billing.forms import CreditForm, MonthForm
from billing.models import Invoice
from billing.permissions import POST, PREPARE
from billing.presentation import document_context, line_views
from billing.views.parts import ROWS, PersonRequest, do, form_page, month_from, pdf_answer
from billing.words import month_words
from clients import selectors as client_selectors
from msp.core import clock
from msp.core.errors import Refused
from msp.core.pages import render_page
from msp.core.permissions import can
from msp.core.queue import enqueue


def invoice_url(invoice: Invoice) -> str:
    return reverse("billing:invoice", args=[invoice.public_id])


def invoices(request: PersonRequest) -> HttpResponse:
    """List what waits to be billed (what is stuck first), drafts, and posted invoices."""
    user = request.user
    before = request.GET.get("before", "")
    is_number = before.isdecimal() and len(before) < 10  # int() refuses "²" and 5,000 digits
    rows = selectors.posted_page(user, before=int(before) if is_number else None, size=ROWS)
    groups = selectors.ready(user)
    this_month = clock.today().replace(day=1)
    ended = {group.period for group in groups if group.period < this_month}
    without = {period: selectors.clients_without_fees(user, period) for period in sorted(ended)}
    context = {
        "ready": [
            {
                "group": group,
                "is_running": group.period >= this_month,
                "lacks_fees": group.client_id in without.get(group.period, ()),
            }
            for group in groups
        ],
        "drafts": selectors.draft_invoices(user),
        "posted": rows[:ROWS],
        "next_url": f"?before={rows[ROWS - 1].number}" if len(rows) > ROWS else "",
        "month_form": MonthForm(),
        "may_prepare": can(user, PREPARE),
    }
    return render_page(request, "billing/invoice_list.html", context, part="lists")


@require_POST
def prepare(request: PersonRequest) -> HttpResponse:
    """Have the monthly fees of all contracts drafted by the worker."""
    form = MonthForm(request.POST)
    if form.is_valid():
        period = form.cleaned_data["period"]
        enqueue("billing.prepare_month", period, request.user.pk)
        messages.success(
            request,
            _("%(month)s is being prepared; its fees appear here.")
            % {"month": dict(form.fields["period"].choices)[period]},  # type: ignore[attr-defined]
        )
    else:
        messages.error(request, _("Choose a month from the list."))
    return redirect("billing:invoices")


def ready(request: PersonRequest, public_id: UUID, period: str) -> HttpResponse:
    """Show a client's lines of one month that are on no invoice, exceptions first."""
    client = client_selectors.get_client(request.user, public_id)
    month = month_from(period)
    lines = selectors.lines_of_period(request.user, client, month)
    waiting = [line for line in lines if line.state == DraftLineState.DRAFT]
    context = {
        "client": client,
        "period": period,
        "month": month_words(month),
        "views": line_views(lines, client.currency, zone=client.zone),
        "total": sum((line.amount for line in waiting if line.amount is not None), start=0),
        "count": len(waiting),
        "exceptions": sum(1 for line in waiting if line.exception),
        "profile": selectors.profile_for(client),
        "draft": selectors.open_draft(request.user, client, month),
        "may_prepare": can(request.user, PREPARE, client.pk),
        "lacks_fees": client.pk in selectors.clients_without_fees(request.user, month),
        "is_running": month >= clock.today().replace(day=1),
        "month_fields": {"period": month.isoformat()},
    }
    return render_page(request, "billing/ready.html", context)


@require_POST
def draft(request: PersonRequest, public_id: UUID, period: str) -> HttpResponse:
    """Put what waits on a draft invoice."""
    client = client_selectors.get_client(request.user, public_id)
    month = month_from(period)
    made = do(request, lambda: services.draft_invoice(client.pk, period=month, by=request.user), "")
    return redirect(invoice_url(made)) if made else redirect("billing:ready", public_id, period)


@require_POST
def price_again(request: PersonRequest, public_id: UUID, period: str) -> HttpResponse:
    """Price the waiting time of a client's month by today's prices."""
    client = client_selectors.get_client(request.user, public_id)
    changed = services.price_again(client.pk, period=month_from(period), by=request.user)
    messages.success(request, _("Prices changed: %(count)s.") % {"count": changed})
    return redirect("billing:ready", public_id, period)


@require_POST
def line_drop(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Leave a line out, or take it back if it is left out."""
    line = selectors.get_draft_line(request.user, public_id)
    on_draft = line.invoice
    if line.state == DraftLineState.DROPPED:
        do(
            request,
            lambda: services.restore_line(line.public_id, by=request.user),
            _("The line waits for an invoice again."),
        )
    else:
        reason = request.POST.get("reason", "")
        do(
            request,
            lambda: services.drop_line(line.public_id, by=request.user, reason=reason),
            _("The line is left out."),
        )
    if on_draft is not None:
        return redirect(invoice_url(on_draft))
    return redirect("billing:ready", line.client.public_id, f"{line.period:%Y-%m}")


def invoice(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show an invoice; each line opens to what it is made of."""
    found = selectors.get_invoice(request.user, public_id)
    return render_page(request, "billing/invoice_detail.html", _detail(request, found), part="body")


def _detail(request: PersonRequest, found: Invoice) -> dict[str, Any]:
    lines = selectors.invoice_lines(request.user, found)
    totals = None if found.is_posted else selectors.expected_totals(found, lines)  # type: ignore[arg-type]
    return document_context(found, lines, totals=totals) | {
        "invoice": found,
        "month": month_words(found.period),
        "period": f"{found.period:%Y-%m}",
        "profile": None if found.is_posted else selectors.profile_for(found.client),
        "credits": selectors.credit_notes_of(request.user, found),
        "shows_tickets": can(request.user, "tickets.view", found.client_id),
        "may_post": can(request.user, POST, found.client_id),
        "may_prepare": can(request.user, PREPARE, found.client_id),
        "may_drop": not found.is_posted and can(request.user, PREPARE, found.client_id),
        "left": found.total - found.credited,  # type: ignore[attr-defined]
    }


@require_POST
def post(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Post a draft: it gets its number and never changes again."""
    found = selectors.get_invoice(request.user, public_id)
    posted = do(request, lambda: services.post_draft(found.public_id, by=request.user), "")
    if posted:
        messages.success(request, _("%(name)s is posted.") % {"name": posted.name})
    return redirect(invoice_url(found))


@require_POST
def discard(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Throw a draft away; its lines wait again."""
    found = selectors.get_invoice(request.user, public_id)
    try:
        services.discard_invoice(found.public_id, by=request.user)
    except Refused as error:
        messages.error(request, error.message)
        return redirect(invoice_url(found))
    messages.success(request, _("The draft is gone; its lines wait again."))
    return redirect("billing:ready", found.client.public_id, f"{found.period:%Y-%m}")


def invoice_pdf(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Give the PDF as it was issued."""
    return pdf_answer(selectors.get_invoice(request.user, public_id))


@require_POST
def pdf_retry(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Have the worker try again for a PDF that waits."""
    found = selectors.get_invoice(request.user, public_id)
    services.retry_pdf(found.public_id, by=request.user)
    messages.success(request, _("The PDF is tried again."))
    return redirect(invoice_url(found))


def credit(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Give back a posted invoice, in whole or in part."""
    found = selectors.get_invoice(request.user, public_id)
    if not found.is_posted:
        raise Refused(_("A draft is thrown away, not credited."), code="not_posted")
    lines = selectors.invoice_lines(request.user, found)
    form = CreditForm(request.POST or None, lines=lines)  # type: ignore[arg-type]

    def save() -> Invoice:
        note = services.credit_invoice(
            found.public_id,
            by=request.user,
            reason=form.cleaned_data["reason"],
            amounts=form.amounts(),
            token=form.cleaned_data["token"],
        )
        messages.success(request, _("%(name)s is posted.") % {"name": note.name})
        return found

    return form_page(
        request,
        form,
        save,
        title=_("Credit %(name)s") % {"name": found.name},
        cancel=invoice_url(found),
        then=invoice_url,
        template="billing/credit_form.html",
        extra={"invoice": found},
    )


def credit_note(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show a credit note."""
    note = selectors.get_credit_note(request.user, public_id)
    context = document_context(note, note.lines.all()) | {"note": note}
    return render_page(request, "billing/credit_note_detail.html", context)


def credit_note_pdf(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Give the PDF of a credit note as it was issued."""
    return pdf_answer(selectors.get_credit_note(request.user, public_id))
