"""Tell open screens that something changed: hints with topic and ids, never data.

Rights differ between readers, so a hint carries no client data; each screen refetches what it may
see. Groups are per client, so a person restricted to some clients gets no hint about others.
"""

from __future__ import annotations

import logging
from functools import partial

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from msp.core import clock

log = logging.getLogger(__name__)

#: Topics a screen may subscribe to; the consumer refuses others.
TOPICS = frozenset({"tickets", "alerts", "devices", "invoices", "notifications"})


def group_for_client(topic: str, client_id: int) -> str:
    """Return the channel group of one client's changes."""
    return f"live.{topic}.client.{client_id}"


def group_for_all(topic: str) -> str:
    """Return the channel group of people who may see every client."""
    return f"live.{topic}.all"


def group_for_user(user_id: int) -> str:
    """Return the channel group of one person."""
    return f"live.user.{user_id}"


def touch(topic: str, public_id: str, *, client_id: int) -> None:
    """Hint, after commit, that a row of a client changed. Best effort: screens also resync."""
    groups = (group_for_all(topic), group_for_client(topic, client_id))
    transaction.on_commit(partial(_send, groups, topic, public_id), robust=True)


def touch_user(user_id: int, topic: str, public_id: str) -> None:
    """Hint, after commit, to one person's screens."""
    transaction.on_commit(partial(_send, (group_for_user(user_id),), topic, public_id), robust=True)


def _send(groups: tuple[str, ...], topic: str, public_id: str) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    message = {
        "type": "live.hint",
        "topic": topic,
        "ids": [public_id],
        "v": int(clock.now().timestamp() * 1000),
    }
    for group in groups:
        try:
            async_to_sync(layer.group_send)(group, message)
        except Exception as error:  # the broker is away: screens poll meanwhile
            log.warning("No live hint for %s: %s", topic, error)
            return
