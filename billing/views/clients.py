"""A client's billing: profile, what its contracts charge, agreed prices, what waits, invoices."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from billing import selectors, services
from billing.forms import (
    ChangeLineForm,
    ClientPriceForm,
    ContractLineForm,
    EndLineForm,
    ProfileForm,
    ReasonForm,
)
from billing.models import ContractLine
from billing.permissions import PREPARE
from billing.presentation import tax_words
from billing.views.parts import PersonRequest, form_page
from billing.words import month_words
from clients import selectors as client_selectors
from clients.models import Client
from msp.core.pages import render_page
from msp.core.permissions import can

#: Invoices on the client's page; the list has all.
FEW = 5


def _url(client: Client) -> str:
    return reverse("billing:client", args=[client.public_id])


def client_billing(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show how a client is billed; also the panel on the client's page."""
    user = request.user
    client = client_selectors.get_client(user, public_id)
    profile = selectors.own_profile(user, client)
    context = {
        "client": client,
        "profile": profile,
        "tax": tax_words(profile.tax_ratio) if profile else "",
        "contracts": _contracts(request, client),
        "prices": selectors.client_prices(user, client),
        "waiting": [
            row | {"month": month_words(row["period"]), "key": f"{row['period']:%Y-%m}"}
            for row in selectors.waiting_of(user, client)
        ],
        "invoices": selectors.invoices_of(user, client)[:FEW],
        "may_prepare": can(user, PREPARE, client.pk),
    }
    return render_page(request, "billing/client_billing.html", context, part="panel")


def _contracts(request: PersonRequest, client: Client) -> list[dict[str, Any]]:
    """Return the client's contracts with what each charges for."""
    lines: dict[int, list[ContractLine]] = {}
    for line in selectors.contract_lines_of(request.user, client):
        lines.setdefault(line.contract_id, []).append(line)
    return [
        {"contract": contract, "lines": lines.get(contract.pk, [])}
        for contract in client_selectors.contracts_of(request.user, client)
    ]


def profile(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Say how a client is billed."""
    client = client_selectors.get_client(request.user, public_id)
    own = selectors.own_profile(request.user, client)
    form = ProfileForm(request.POST or None, client=client, profile=own)
    return form_page(
        request,
        form,
        lambda: services.set_profile(client.pk, by=request.user, **form.values()),
        title=_("Billing of %(name)s") % {"name": client.name},
        cancel=_url(client),
        then=lambda _done: _url(client),
    )


def client_price_new(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Agree a price with a client."""
    client = client_selectors.get_client(request.user, public_id)
    form = ClientPriceForm(request.POST or None)
    return form_page(
        request,
        form,
        lambda: services.add_client_price(client.pk, by=request.user, **form.cleaned_data),
        title=_("Price agreed with %(name)s, in %(currency)s")
        % {"name": client.name, "currency": client.currency},
        cancel=_url(client),
        then=lambda _done: _url(client),
    )


def line_new(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Charge for something under a contract."""
    contract = client_selectors.get_contract(request.user, public_id)
    form = ContractLineForm(request.POST or None, initial={"starts_on": contract.starts_on})
    return form_page(
        request,
        form,
        lambda: services.add_contract_line(contract.pk, by=request.user, **form.cleaned_data),
        title=_("Charge under %(name)s, in %(currency)s")
        % {"name": contract.name, "currency": contract.client.currency},
        cancel=_url(contract.client),
        then=lambda _done: _url(contract.client),
    )


def line_change(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Charge another amount from a day on."""
    line = selectors.get_contract_line(request.user, public_id)
    form = ChangeLineForm(request.POST or None, line=line)
    return _line_page(
        request,
        form,
        line,
        lambda: services.change_contract_line(line.public_id, by=request.user, **form.cleaned_data),
        _("New amount for %(name)s"),
    )


def line_end(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Stop charging for something."""
    line = selectors.get_contract_line(request.user, public_id)
    form = EndLineForm(request.POST or None, initial={"ends_on": line.ends_on})
    return _line_page(
        request,
        form,
        line,
        lambda: services.end_contract_line(line.public_id, by=request.user, **form.cleaned_data),
        _("End %(name)s"),
    )


def line_withdraw(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Take back a line that was a mistake."""
    line = selectors.get_contract_line(request.user, public_id)
    form = ReasonForm(request.POST or None)
    return _line_page(
        request,
        form,
        line,
        lambda: services.withdraw_contract_line(
            line.public_id, by=request.user, **form.cleaned_data
        ),
        _("Withdraw %(name)s"),
    )


def _line_page(
    request: PersonRequest, form: Any, line: ContractLine, act: Any, title: str
) -> HttpResponse:
    def save() -> None:
        act()
        messages.success(request, _("The contract line is changed."))

    return form_page(
        request,
        form,
        save,
        title=title % {"name": line.name},
        cancel=_url(line.client),
        then=lambda _done: _url(line.client),
    )
