"""Staff addresses of `clients`."""

from __future__ import annotations

from django.urls import path

from clients.views import clients, contacts, contracts, hours

app_name = "clients"
urlpatterns = [
    path("clients/", clients.client_list, name="list"),
    path("clients/new/", clients.new, name="new"),
    path("clients/<uuid:public_id>/", clients.detail, name="detail"),
    path("clients/<uuid:public_id>/edit/", clients.edit, name="edit"),
    path("clients/<uuid:public_id>/merge/", clients.merge, name="merge"),
    path("clients/<uuid:public_id>/unmerge/", clients.unmerge, name="unmerge"),
    path("clients/<uuid:public_id>/sites/", clients.sites, name="sites"),
    path("clients/<uuid:public_id>/sites/new/", clients.site_new, name="site-new"),
    path("clients/<uuid:public_id>/contacts/", clients.contacts, name="contacts"),
    path("clients/<uuid:public_id>/contacts/new/", contacts.new, name="contact-new"),
    path("clients/<uuid:public_id>/contracts/new/", contracts.new, name="contract-new"),
    path("sites/<uuid:public_id>/", clients.site_edit, name="site"),
    path("sites/<uuid:public_id>/archive/", clients.site_archive, name="site-archive"),
    path("contacts/<uuid:public_id>/", contacts.detail, name="contact"),
    path("contacts/<uuid:public_id>/edit/", contacts.edit, name="contact-edit"),
    path("contacts/<uuid:public_id>/archive/", contacts.archive, name="contact-archive"),
    path("contacts/<uuid:public_id>/invite/", contacts.invite, name="contact-invite"),
    path("contacts/<uuid:public_id>/withdraw/", contacts.withdraw, name="contact-withdraw"),
    path("contracts/", contracts.contract_list, name="contracts"),
    path("contracts/<uuid:public_id>/", contracts.detail, name="contract"),
    path("contracts/<uuid:public_id>/edit/", contracts.edit, name="contract-edit"),
    path("contracts/<uuid:public_id>/activate/", contracts.activate, name="contract-activate"),
    path("contracts/<uuid:public_id>/end/", contracts.end, name="contract-end"),
    path("sla/policies/", hours.policies, name="policies"),
    path("sla/policies/new/", hours.policy_new, name="policy-new"),
    path("sla/policies/<uuid:public_id>/", hours.policy, name="policy"),
    path("sla/policies/<uuid:public_id>/change/", hours.policy_version, name="policy-version"),
    path("sla/policies/<uuid:public_id>/default/", hours.policy_default, name="policy-default"),
    path("sla/calendars/", hours.calendars, name="calendars"),
    path("sla/calendars/new/", hours.calendar_new, name="calendar-new"),
    path("sla/calendars/<uuid:public_id>/", hours.calendar, name="calendar"),
    path("sla/calendars/<uuid:public_id>/change/", hours.calendar_version, name="calendar-version"),
    path(
        "sla/calendars/<uuid:public_id>/default/", hours.calendar_default, name="calendar-default"
    ),
    path("sla/priorities/", hours.priorities, name="priorities"),
    path("sla/priorities/<uuid:public_id>/change/", hours.matrix_version, name="matrix-version"),
]
