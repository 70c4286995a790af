"""Django's entry; fills core's slots, so that core imports nothing from here."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ClientsConfig(AppConfig):
    name = "clients"

    def ready(self) -> None:
        from clients import wire
        from msp.core import nav

        wire.connect()
        nav.register_area(
            "clients",
            _("Clients"),
            "building-2",
            "clients:list",
            40,
            permission="clients.view",
            shortcut="c",
        )
        nav.register_area(
            "contracts", _("Contracts"), "file-text", "clients:contracts", 50,
            permission="clients.view",
        )  # fmt: skip
        nav.register_area(
            "sla", _("SLA and hours"), "timer", "clients:policies", 55, permission="clients.view"
        )
        nav.register_portal_area(
            "people", _("People"), "portal:people", 80, shown_to=wire.manages_a_company
        )
        nav.register_portal_area(
            "company",
            _("Company"),
            "portal:client-choose",
            90,
            shown_to=wire.has_several_companies,
        )
