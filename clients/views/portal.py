"""Portal pages of `clients`: which company one acts for, and its people."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect

from clients import selectors
from clients.querysets import COMPANY_ROLES
from clients.views.parts import PersonRequest
from msp.core.errors import NotVisible
from msp.core.middleware import ACTIVE_CLIENT
from msp.core.pages import render_page
from msp.core.scope import scope_of


def choose_client(request: PersonRequest) -> HttpResponse:
    """Let a person who is a contact of several companies choose whom they act for."""
    own = list(selectors.own_contacts(request.user))
    if request.method == "POST":
        wanted = request.POST.get("client", "")
        chosen = next((row for row in own if str(row.client.public_id) == wanted), None)
        if chosen is None:
            raise NotVisible
        request.session[ACTIVE_CLIENT] = chosen.client_id
        return redirect("portal:home")
    context = {"contacts": own, "active": scope_of(request.user).client_id}
    return render_page(request, "portal/clients/client_choose.html", context)


def people(request: PersonRequest) -> HttpResponse:
    """List the company's people for those who manage it; for others there is no such page."""
    contact = selectors.contact_of_user(request.user)
    if contact is None or not set(contact.roles) & COMPANY_ROLES:
        raise NotVisible
    context = {
        "contact": contact,
        "people": selectors.contacts_of(request.user, contact.client),
    }
    return render_page(request, "portal/clients/people.html", context)
