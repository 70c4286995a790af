"""Django's entry: areas of the navigation and panels on the pages of the apps below."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from monitoring.selectors.alerts import open_count
        from msp.core import nav, panels

        nav.register_area(
            "alerts",
            _("Alerts"),
            "bell",
            "monitoring:alerts",
            20,
            permission="monitoring.view",
            count=open_count,
            is_hot=True,
            shortcut="a",
        )
        for page, order in (("ticket", 30), ("device", 10), ("client", 30)):
            panels.register(
                page,
                panels.Panel(
                    "alerts", _("Alerts"), f"monitoring:{page}-panel", order, "monitoring.view"
                ),
            )
        panels.register(
            "device",
            panels.Panel(
                "telemetry",
                _("Performance"),
                "monitoring:telemetry-panel",
                20,
                "monitoring.view",
            ),
        )
