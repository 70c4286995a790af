"""Django's entry: the area of the navigation."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        from msp.core import nav

        nav.register_area(
            "devices",
            _("Devices"),
            "monitor",
            "agents:list",
            30,
            permission="agents.view",
            shortcut="d",
        )
