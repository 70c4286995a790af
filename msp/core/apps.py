"""Django's entry for the ground floor."""

from django.apps import AppConfig
from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _


class CoreConfig(AppConfig):
    name = "msp.core"
    label = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        """Load the Celery application by name, or nothing that is queued reaches the broker."""
        import_string(settings.CELERY_APP)
        from msp.core import nav
        from msp.core.selectors.operations import dead_count

        nav.register_area(
            "operations",
            _("Operations"),
            "activity",
            "core:operations",
            90,
            _("System"),
            "core.operations",
            dead_count,
            is_hot=True,
        )
