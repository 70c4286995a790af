"""API addresses of `clients`."""

from __future__ import annotations

from django.urls import path

from clients.api import views

app_name = "clients-api"
urlpatterns = [
    path("clients/", views.Clients.as_view(), name="clients"),
    path("clients/<uuid:public_id>/", views.ClientDetail.as_view(), name="client"),
    path("clients/<uuid:public_id>/merge/", views.ClientMerge.as_view(), name="client-merge"),
    path("clients/<uuid:public_id>/unmerge/", views.ClientUnmerge.as_view(), name="client-unmerge"),
    path("clients/<uuid:public_id>/sites/", views.ClientSites.as_view(), name="client-sites"),
    path(
        "clients/<uuid:public_id>/contacts/",
        views.ClientContacts.as_view(),
        name="client-contacts",
    ),
    path(
        "clients/<uuid:public_id>/contracts/",
        views.ClientContracts.as_view(),
        name="client-contracts",
    ),
    path("sites/<uuid:public_id>/", views.SiteDetail.as_view(), name="site"),
    path("sites/<uuid:public_id>/archive/", views.SiteArchive.as_view(), name="site-archive"),
    path("sites/<uuid:public_id>/restore/", views.SiteRestore.as_view(), name="site-restore"),
    path("contacts/<uuid:public_id>/", views.ContactDetail.as_view(), name="contact"),
    path(
        "contacts/<uuid:public_id>/archive/", views.ContactArchive.as_view(), name="contact-archive"
    ),
    path(
        "contacts/<uuid:public_id>/restore/", views.ContactRestore.as_view(), name="contact-restore"
    ),
    path("contacts/<uuid:public_id>/invite/", views.ContactInvite.as_view(), name="contact-invite"),
    path(
        "contacts/<uuid:public_id>/withdraw/",
        views.ContactWithdraw.as_view(),
        name="contact-withdraw",
    ),
    path("contracts/", views.Contracts.as_view(), name="contracts"),
    path("contracts/<uuid:public_id>/", views.ContractDetail.as_view(), name="contract"),
    path(
        "contracts/<uuid:public_id>/activate/",
        views.ContractActivate.as_view(),
        name="contract-activate",
    ),
    path("contracts/<uuid:public_id>/end/", views.ContractEnd.as_view(), name="contract-end"),
    path(
        "contracts/<uuid:public_id>/coverage/",
        views.ContractCoverage.as_view(),
        name="contract-coverage",
    ),
    path("calendars/", views.Calendars.as_view(), name="calendars"),
    path(
        "calendars/<uuid:public_id>/versions/",
        views.CalendarVersions.as_view(),
        name="calendar-versions",
    ),
    path(
        "calendars/<uuid:public_id>/default/",
        views.CalendarDefault.as_view(),
        name="calendar-default",
    ),
    path("sla-policies/", views.Policies.as_view(), name="policies"),
    path(
        "sla-policies/<uuid:public_id>/versions/",
        views.PolicyVersions.as_view(),
        name="policy-versions",
    ),
    path(
        "sla-policies/<uuid:public_id>/default/",
        views.PolicyDefault.as_view(),
        name="policy-default",
    ),
]
