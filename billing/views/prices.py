"""Pages of the price book."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from billing import selectors, services
from billing.forms import PriceForm, ReasonForm
from billing.permissions import PREPARE
from billing.views.parts import PersonRequest, form_page
from msp.core import clock
from msp.core.pages import render_page
from msp.core.permissions import can, reach


def prices(request: PersonRequest) -> HttpResponse:
    """List the price book: each item with the price that holds, those to come and those past."""
    may_change = can(request.user, PREPARE) and reach(request.user, PREPARE) is None
    context = {
        "items": selectors.price_book(clock.today()),
        "may_change": may_change,
    }
    return render_page(request, "billing/price_list.html", context)


def price_new(request: PersonRequest) -> HttpResponse:
    """Set a price from a day on."""
    initial = {"work_type": request.GET.get("work", "")}
    form = PriceForm(request.POST or None, initial=initial)

    def save() -> None:
        services.add_price_version(by=request.user, **form.cleaned_data)
        messages.success(request, _("The price is set."))

    url = reverse("billing:prices")
    return form_page(request, form, save, title=_("New price"), cancel=url, then=lambda _done: url)


def price_withdraw(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Take a price back."""
    version = selectors.get_price_version(public_id)
    form = ReasonForm(request.POST or None)
    url = reverse("billing:prices")
    return form_page(
        request,
        form,
        lambda: services.withdraw_price_version(
            version.public_id, by=request.user, reason=form.cleaned_data["reason"]
        ),
        title=_("Withdraw the price of %(item)s") % {"item": version.item.name},
        cancel=url,
        then=lambda _done: url,
    )
