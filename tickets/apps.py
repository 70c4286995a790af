"""Django's entry."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TicketsConfig(AppConfig):
    name = "tickets"

    def ready(self) -> None:
        """Give the shell what tickets bring: areas, the key for a new one."""
        from msp.core import nav, panels
        from tickets.selectors import approval_count, open_count

        nav.register_area(
            "queue",
            _("Queue"),
            "inbox",
            "tickets:queue",
            10,
            permission="tickets.view",
            count=open_count,
            shortcut="q",
        )
        nav.register_area(
            "approvals",
            _("Time approval"),
            "timer",
            "tickets:approvals",
            60,
            section=_("Business"),
            permission="tickets.approve_time",
            count=approval_count,
        )
        nav.register_action(
            "new-ticket",
            _("New ticket"),
            "plus",
            "tickets:new",
            10,
            permission="tickets.work",
            shortcut="c",
        )
        nav.register_portal_area("home", _("Home"), "portal:home", 10)
        nav.register_portal_area("requests", _("Requests"), "portal:tickets", 20)
        for page, order in (("client", 10), ("contact", 10), ("device", 30)):
            panels.register(
                page,
                panels.Panel(
                    "tickets", _("Tickets"), f"tickets:{page}-panel", order, "tickets.view"
                ),
            )
