"""Django's entry; shows billing in the navigation and on the client's page."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing.querysets import BILLING_ROLES
        from billing.selectors import ready_count
        from msp.core import nav, panels

        nav.register_area(
            "invoices",
            _("Invoices"),
            "receipt",
            "billing:invoices",
            65,
            section=_("Business"),
            permission="billing.view",
            # Nothing to mend is nothing to say: what is ready is on the page.
            count=lambda user: ready_count(user) or None,
            is_hot=True,
            shortcut="i",
        )
        nav.register_portal_area(
            "invoices",
            _("Invoices"),
            "portal:invoices",
            40,
            shown_to=lambda user: bool(user.scope.contact_roles & BILLING_ROLES),
        )
        panels.register(
            "client", panels.Panel("billing", _("Billing"), "billing:client", 40, "billing.view")
        )
