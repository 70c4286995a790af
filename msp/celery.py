"""The Celery application and the beat schedule, which is code."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.signals import task_postrun, task_prerun
from django.conf import settings

from msp.core import correlation
from msp.core.scope import SystemPrincipal, scope_of, scoped

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msp.settings.dev")

app = Celery("msp", set_as_current=True)
# "Current" is kept by thread; requests and the telemetry hand-off run in threads of their own.
app.set_default()
app.conf.update(settings.CELERY)
app.autodiscover_tasks()

#: Due work lies in rows; these sweeps find it, so a lost message costs seconds and nothing else.
app.conf.beat_schedule = {
    "deliver": {"task": "core.deliver", "schedule": timedelta(seconds=10)},
    "send-notifications": {"task": "core.send_notifications", "schedule": timedelta(seconds=30)},
    "sweep-clocks": {"task": "tickets.sweep_clocks", "schedule": timedelta(minutes=1)},
    "evaluate-due": {"task": "monitoring.evaluate_due", "schedule": timedelta(seconds=10)},
    "sweep-silence": {"task": "monitoring.sweep_silence", "schedule": timedelta(seconds=15)},
    "make-partitions": {"task": "monitoring.make_partitions", "schedule": timedelta(minutes=30)},
    "drop-old-telemetry": {"task": "monitoring.drop_old", "schedule": timedelta(minutes=10)},
    "refresh-devices": {"task": "agents.refresh_devices", "schedule": timedelta(minutes=5)},
    "drop-nonces": {"task": "agents.drop_nonces", "schedule": timedelta(hours=1)},
    "render-waiting": {"task": "billing.render_waiting", "schedule": timedelta(hours=1)},
    "price-exceptions": {"task": "billing.price_exceptions", "schedule": timedelta(hours=1)},
    "prepare-last-month": {"task": "billing.prepare_last_month", "schedule": timedelta(hours=6)},
    "drop-done-deliveries": {"task": "core.drop_done", "schedule": timedelta(hours=6)},
}

_open: dict[str, list[Any]] = {}


@task_prerun.connect
def _enter(task_id: str, task: Any, **kwargs: Any) -> None:
    """Give each task a scope and its sender's correlation id: it acts as the system."""
    headers = getattr(task.request, "headers", None) or {}
    contexts = [
        scoped(scope_of(SystemPrincipal(task.name))),
        correlation.correlated(str(headers.get("correlation_id") or task_id)),
    ]
    for context in contexts:
        context.__enter__()
    _open[task_id] = contexts


@task_postrun.connect
def _leave(task_id: str, **kwargs: Any) -> None:
    for context in reversed(_open.pop(task_id, [])):
        context.__exit__(None, None, None)
