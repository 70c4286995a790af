"""Pages of clients and their sites."""

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
from clients.forms import ClientFilter, ClientForm, MergeForm, SiteForm
from clients.models import Client
from clients.permissions import reaches_all
from clients.views.parts import PersonRequest, form_page, page_of, panels_of
from msp.core.pages import render_page
from msp.core.permissions import can

#: Rows of sites, contacts and contracts on the client's own page; the rest has pages of its own.
FEW = 8


def _url(client: Client) -> str:
    return reverse("clients:detail", args=[client.public_id])


def client_list(request: PersonRequest) -> HttpResponse:
    """List clients by name."""
    chosen = ClientFilter(request.GET)
    rows = selectors.client_list(request.user, **chosen.words())
    context = {
        "filter": chosen,
        "page": page_of(request, rows, "sort_name"),
        "may_add": reaches_all(request.user, "clients.change"),
    }
    return render_page(request, "clients/client_list.html", context)


def detail(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show a client with the panels of the apps above; one merged away leads to its survivor."""
    client = selectors.get_client(request.user, public_id)
    survivor = selectors.survivor_of(request.user, client)
    if survivor.pk != client.pk:
        return redirect(_url(survivor))
    user = request.user
    context = _frame(request, client, "overview") | {
        "panels": panels_of("client", public_id, user),
        "sites": selectors.sites_of(user, client)[:FEW],
        "contacts": selectors.contacts_of(user, client)[:FEW],
        "contracts": selectors.contracts_of(user, client)[:FEW],
        "merged": selectors.merged_into(user, client),
    }
    return render_page(request, "clients/client_detail.html", context)


def _frame(request: PersonRequest, client: Client, current: str) -> dict[str, Any]:
    """Return what every page of a client shows: its header, tabs and what may be done."""
    user = request.user
    pages = {
        "overview": (_("Overview"), "clients:detail"),
        "contacts": (_("Contacts"), "clients:contacts"),
        "sites": (_("Sites"), "clients:sites"),
    }
    return {
        "client": client,
        "tabs": [
            {
                "label": label,
                "url": reverse(name, args=[client.public_id]),
                "current": key == current,
            }
            for key, (label, name) in pages.items()
        ],
        "may_change": can(user, "clients.change", client.pk),
        "may_contract": can(user, "clients.contracts", client.pk),
        "may_merge": can(user, "clients.merge", client.pk),
    }


def contacts(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """List all contacts of a client, archived ones too if asked."""
    client = selectors.get_client(request.user, public_id)
    archived = request.GET.get("archived") == "yes"
    rows = selectors.contacts_of(request.user, client, archived=archived)
    context = _frame(request, client, "contacts") | {
        "page": page_of(request, rows, "sort_name"),
        "archived": archived,
    }
    return render_page(request, "clients/client_contacts.html", context)


def sites(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """List all sites of a client, archived ones too if asked."""
    client = selectors.get_client(request.user, public_id)
    archived = request.GET.get("archived") == "yes"
    rows = selectors.sites_of(request.user, client, archived=archived)
    context = _frame(request, client, "sites") | {
        "page": page_of(request, rows, "sort_name"),
        "archived": archived,
    }
    return render_page(request, "clients/client_sites.html", context)


def new(request: PersonRequest) -> HttpResponse:
    """Add a client."""
    form = ClientForm(request.POST or None, user=request.user)
    return form_page(
        request,
        form,
        lambda: services.add_client(by=request.user, **form.values()),
        title=_("New client"),
        cancel=reverse("clients:list"),
        then=_url,
    )


def edit(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Change a client."""
    client = selectors.get_client(request.user, public_id)
    form = ClientForm(request.POST or None, user=request.user, client=client)
    return form_page(
        request,
        form,
        lambda: services.change_client(client.pk, by=request.user, **form.values()),
        title=client.name,
        cancel=_url(client),
        then=_url,
    )


def merge(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Merge a client into another; a pointer that can be taken back."""
    client = selectors.get_client(request.user, public_id)
    form = MergeForm(request.POST or None, user=request.user, client=client)

    def save() -> Client:
        target = form.cleaned_data["into"]
        reason = form.cleaned_data["reason"]
        services.merge_clients(client.pk, into=target.pk, by=request.user, reason=reason)
        messages.success(request, _("%(name)s is merged.") % {"name": client.name})
        return target  # type: ignore[no-any-return]

    return form_page(
        request,
        form,
        save,
        title=_("Merge %(name)s into another client") % {"name": client.name},
        cancel=_url(client),
        then=_url,
        template="clients/client_merge.html",
        extra={"client": client},
    )


@require_POST
def unmerge(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Take a merge back."""
    client = selectors.get_client(request.user, public_id)
    services.unmerge_client(client.pk, by=request.user)
    messages.success(request, _("%(name)s stands on its own again.") % {"name": client.name})
    return redirect(_url(client))


def site_new(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Add a site to a client."""
    client = selectors.get_client(request.user, public_id)
    form = SiteForm(request.POST or None, user=request.user, client=client)
    sites_url = reverse("clients:sites", args=[client.public_id])
    return form_page(
        request,
        form,
        lambda: services.add_site(client.pk, by=request.user, **form.values()),
        title=_("New site of %(name)s") % {"name": client.name},
        cancel=sites_url,
        then=lambda _site: sites_url,
    )


def site_edit(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Change a site."""
    site = selectors.get_site(request.user, public_id)
    form = SiteForm(request.POST or None, user=request.user, client=site.client, site=site)
    sites_url = reverse("clients:sites", args=[site.client.public_id])
    return form_page(
        request,
        form,
        lambda: services.change_site(site.pk, by=request.user, **form.values()),
        title=site.name,
        cancel=sites_url,
        then=lambda _site: sites_url,
    )


@require_POST
def site_archive(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Archive a site, or restore it if it is archived."""
    site = selectors.get_site(request.user, public_id)
    if site.archived_at is None:
        services.archive_site(site.pk, by=request.user)
        messages.success(request, _("%(name)s is archived.") % {"name": site.name})
    else:
        services.restore_site(site.pk, by=request.user)
        messages.success(request, _("%(name)s is back.") % {"name": site.name})
    return redirect("clients:sites", site.client.public_id)
