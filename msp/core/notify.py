"""Tell people: in the application and by mail, each message once per key."""

from __future__ import annotations

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction

from msp.core import clock, live, queue
from msp.core.enums import Channel, NotificationState
from msp.core.models import Notification, User

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 8
FIRST_WAIT = timedelta(seconds=30)


@transaction.atomic
def tell(
    user: User,
    *,
    key: str,
    subject: str,
    body: str = "",
    url: str = "",
    client_id: int | None = None,
    channels: tuple[Channel, ...] = (Channel.IN_APP,),
) -> None:
    """Give one person one message on each channel; the same key does nothing a second time."""
    for channel in channels:
        in_app = channel == Channel.IN_APP
        row, made = Notification.objects.get_or_create(
            key=f"{key}:{channel}:{user.pk}"[:200],
            defaults={
                "channel": channel,
                "recipient": user,
                "address": "" if in_app else user.email,
                "client_id": client_id,
                "subject": " ".join(subject.split())[:250],
                "body": body,
                "url": url,
                "state": NotificationState.SENT if in_app else NotificationState.PENDING,
                "sent_at": clock.now() if in_app else None,
            },
        )
        if made and in_app:
            live.touch_user(user.pk, "notifications", str(row.public_id))
        elif made:
            queue.enqueue("core.send_notifications", once=True)


@transaction.atomic
def mail(
    address: str,
    *,
    key: str,
    subject: str,
    body: str = "",
    url: str = "",
    client_id: int | None = None,
    recipient: User | None = None,
) -> None:
    """Mail an address, of somebody who may have no sign-in; the same key does so once."""
    _row, made = Notification.objects.get_or_create(
        key=f"{key}:{Channel.EMAIL}:{address.lower()}"[:200],
        defaults={
            "channel": Channel.EMAIL,
            "recipient": recipient,
            "address": address,
            "client_id": client_id,
            "subject": " ".join(subject.split())[:250],
            "body": body,
            "url": url,
            "state": NotificationState.PENDING,
        },
    )
    if made:
        queue.enqueue("core.send_notifications", once=True)


def send_due(limit: int = 100) -> int:
    """Send waiting mail, each in a transaction of its own; return how many were tried."""
    tried = 0
    while tried < limit and _send_one():
        tried += 1
    return tried


def _send_one() -> bool:
    now = clock.now()
    with transaction.atomic():
        row = (
            Notification.objects.select_for_update(skip_locked=True)
            .filter(state=NotificationState.PENDING, next_try_at__lte=now)
            .order_by("next_try_at")
            .first()
        )
        if row is None:
            return False
        row.attempts += 1
        # The lease: no network inside the transaction, and a killed worker's row comes back.
        row.next_try_at = now + FIRST_WAIT * 2 ** min(row.attempts, 8)
        row.save(update_fields=["attempts", "next_try_at"])
    try:
        _message(row).send()
    # ValueError: an address or a subject that cannot be a header. It must not stop the others.
    except (OSError, SMTPException, ValueError) as error:
        row.last_error = f"{type(error).__name__}: {error}"[:2000]
        if row.attempts >= MAX_ATTEMPTS:
            row.state = NotificationState.FAILED
        row.save(update_fields=["last_error", "state"])
        log.warning("Mail %s failed (attempt %s): %s", row.pk, row.attempts, error)
    else:
        row.state, row.sent_at, row.last_error = NotificationState.SENT, clock.now(), ""
        # The link of an invitation lets its bearer in: it has gone where it belongs.
        row.url = ""
        row.save(update_fields=["state", "sent_at", "last_error", "url"])
    return True


def _message(row: Notification) -> EmailMessage:
    return EmailMessage(
        subject=row.subject,
        body=f"{row.body}\n\n{settings.PUBLIC_URL}{row.url}" if row.url else row.body,
        to=[row.address],
        headers={
            "Auto-Submitted": "auto-generated",
            # The key in the Message-ID lets the receiving server drop a repeat.
            "Message-ID": f"<{row.public_id}@{settings.PUBLIC_URL.split('//')[-1].split(':')[0]}>",
        },
    )
