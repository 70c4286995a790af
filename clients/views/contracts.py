"""Pages of contracts, with the coverage tester."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from clients import selectors, services
from clients.domain import coverage
from clients.enums import ContractState, CoveredHours, CoveredWork
from clients.forms import ContractForm, EndForm, ListFilter, TesterForm, coverage_formset
from clients.models import Contract
from clients.views.parts import PersonRequest, form_page, page_of, panels_of, save_form
from msp.core import clock
from msp.core.pages import render_page
from msp.core.permissions import can


def _url(contract: Contract) -> str:
    return reverse("clients:contract", args=[contract.public_id])


def contract_list(request: PersonRequest) -> HttpResponse:
    """List the contracts of all clients this person sees."""
    chosen = ListFilter(request.GET).words()["state"]
    state = chosen if chosen in ContractState.values else ""
    rows = selectors.contract_list(request.user, state=state)
    tabs = [("", _("All")), *ContractState.choices]
    context = {
        "page": page_of(request, rows, "-starts_on"),
        "tabs": [
            {"label": label, "url": f"?state={key}" if key else "?", "current": key == state}
            for key, label in tabs
        ],
    }
    return render_page(request, "clients/contract_list.html", context)


def detail(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show a contract, and answer what work would be covered."""
    contract = selectors.get_contract(request.user, public_id)
    context = _detail(request, contract) | {"end_form": EndForm()}
    return render_page(request, "clients/contract_detail.html", context, part="tester")


def _detail(request: PersonRequest, contract: Contract) -> dict[str, Any]:
    asked = "work_type" in request.GET
    tester = TesterForm(request.GET if asked else None)
    verdict = None
    if asked and tester.is_valid():
        verdict = coverage.decide(
            contract.coverage,
            work_type=tester.cleaned_data["work_type"],
            inside_hours=tester.cleaned_data["hours"] == CoveredHours.INSIDE,
        )
    return {
        "contract": contract,
        "panels": panels_of("contract", contract.public_id, request.user),
        "rules": [
            {
                "work": CoveredWork(rule["work_type"]).label,
                "hours": CoveredHours(rule["hours"]).label,
                "covered": rule["covered"],
                "clause": rule["clause"],
                "decides": verdict is not None and verdict.rule == index,
            }
            for index, rule in enumerate(contract.coverage)
        ],
        "tester": tester,
        "verdict": verdict,
        "today": clock.today(contract.client.zone),
        "may_change": can(request.user, "clients.contracts", contract.client_id),
    }


def new(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Draft a contract with a client."""
    client = selectors.get_client(request.user, public_id)
    form = ContractForm(request.POST or None, user=request.user)
    rules = coverage_formset(request.POST or None)
    return form_page(
        request,
        form,
        lambda: services.add_contract(
            client.pk, by=request.user, coverage=rules.rules(), **form.values()
        ),
        title=_("New contract with %(name)s") % {"name": client.name},
        cancel=reverse("clients:detail", args=[client.public_id]),
        then=_url,
        template="clients/contract_form.html",
        extra={"rules": rules},
        others=(rules,),
    )


def edit(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Change a draft."""
    contract = selectors.get_contract(request.user, public_id)
    form = ContractForm(request.POST or None, user=request.user, contract=contract)
    rules = coverage_formset(request.POST or None, contract)
    return form_page(
        request,
        form,
        lambda: services.change_contract(
            contract.pk, by=request.user, coverage=rules.rules(), **form.values()
        ),
        title=contract.name,
        cancel=_url(contract),
        then=_url,
        template="clients/contract_form.html",
        extra={"rules": rules},
        others=(rules,),
    )


@require_POST
def activate(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Put a draft in force."""
    contract = selectors.get_contract(request.user, public_id)
    services.activate_contract(contract.pk, by=request.user)
    messages.success(request, _("%(name)s is in force.") % {"name": contract.name})
    return redirect(_url(contract))


@require_POST
def end(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Set the last day of a contract."""
    contract = selectors.get_contract(request.user, public_id)
    form = EndForm(request.POST)
    _done, status = save_form(
        form,
        lambda: services.end_contract(contract.pk, by=request.user, **form.cleaned_data),
    )
    if status == 200:
        return redirect(_url(contract))
    context = _detail(request, contract) | {"end_form": form}
    return render_page(request, "clients/contract_detail.html", context, status=status)
