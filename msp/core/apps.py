"""Django's entry for the ground floor."""

from django.apps import AppConfig
from django.conf import settings
from django.utils.module_loading import import_string


class CoreConfig(AppConfig):
    name = "msp.core"
    label = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        """Load the Celery application by name, or nothing that is queued reaches the broker."""
        import_string(settings.CELERY_APP)
