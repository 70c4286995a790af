"""Pages of a client's people."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from clients import selectors, services
from clients.enums import ContactRole
from clients.forms import ContactForm
from clients.models import Contact
from clients.views.parts import PersonRequest, form_page, panels_of
from msp.core.pages import render_page
from msp.core.permissions import can


def _url(contact: Contact) -> str:
    return reverse("clients:contact", args=[contact.public_id])


def detail(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show a contact: how to reach them, their roles, their portal sign-in."""
    contact = selectors.get_contact(request.user, public_id)
    context = {
        "contact": contact,
        "panels": panels_of("contact", public_id, request.user),
        "role_labels": [ContactRole(role).label for role in contact.roles],
        "may_change": can(request.user, "clients.change", contact.client_id),
    }
    return render_page(request, "clients/contact_detail.html", context)


def new(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Add a contact to a client."""
    client = selectors.get_client(request.user, public_id)
    form = ContactForm(request.POST or None, user=request.user, client=client)
    return form_page(
        request,
        form,
        lambda: services.add_contact(client.pk, by=request.user, **form.values()),
        title=_("New contact of %(name)s") % {"name": client.name},
        cancel=reverse("clients:contacts", args=[client.public_id]),
        then=_url,
    )


def edit(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Change a contact."""
    contact = selectors.get_contact(request.user, public_id)
    form = ContactForm(
        request.POST or None, user=request.user, client=contact.client, contact=contact
    )
    return form_page(
        request,
        form,
        lambda: services.change_contact(contact.pk, by=request.user, **form.values()),
        title=contact.name,
        cancel=_url(contact),
        then=_url,
    )


@require_POST
def archive(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Archive a contact, or restore them if they are archived."""
    contact = selectors.get_contact(request.user, public_id)
    if contact.archived_at is None:
        services.archive_contact(contact.pk, by=request.user)
        messages.success(request, _("%(name)s is archived.") % {"name": contact.name})
    else:
        services.restore_contact(contact.pk, by=request.user)
        messages.success(request, _("%(name)s is back.") % {"name": contact.name})
    return redirect(_url(contact))


@require_POST
def invite(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Mail a contact the way into the portal."""
    contact = selectors.get_contact(request.user, public_id)
    invited = services.invite_contact(contact.pk, by=request.user)
    messages.success(
        request, _("An invitation is on its way to %(name)s.") % {"name": invited.name}
    )
    return redirect(_url(contact))


@require_POST
def withdraw(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Take the portal away from a contact."""
    contact = selectors.get_contact(request.user, public_id)
    services.withdraw_invitation(contact.pk, by=request.user)
    messages.success(request, _("The portal is closed to %(name)s.") % {"name": contact.name})
    return redirect(_url(contact))
