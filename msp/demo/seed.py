"""Make the demo: in one transaction, so that half a demo never exists."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from clients.models import Client
from monitoring import services as monitoring
from msp.core import clock
from msp.core.enums import Channel, NotificationState
from msp.core.models import Notification
from msp.core.scope import SystemPrincipal, acting_as
from msp.demo import cast as people
from msp.demo import money, stories
from msp.demo.cast import Cast, SignIn
from msp.demo.telling import Teller
from msp.demo.times import Back, instant
from tickets.models import Ticket

BY = SystemPrincipal("demo")
#: Working days that the world of the demo is older than its first story.
BEGINS = Back(45, "08:00")


@dataclass(frozen=True)
class Made:
    """What was made: sign-ins for people, and how much there is."""

    sign_ins: list[SignIn]
    clients: int
    devices: int
    tickets: int


def is_empty() -> bool:
    """Return whether the installation has no client yet."""
    with acting_as(BY):
        return not Client.objects.visible_to(BY).exists()


@transaction.atomic
def make_demo(seed: int) -> Made:
    """Make people, clients, devices and their stories through the services.

    What is seen is the same for the same seed and hour; passwords and keys are random.
    """
    now = clock.now()
    cast = Cast()
    with acting_as(BY):
        begin = instant(BEGINS, now)
        with clock.at(begin):
            people.add_people(cast, by=BY)
            people.add_clients(cast, by=BY, today=begin.date())
            people.add_devices(cast, by=BY, seed=seed)
            monitoring.ensure_default_rules(by=BY)
            money.add_prices(cast, by=cast.people["bill"], today=begin.date())
        teller = Teller(cast, now, by=BY)
        teller.add(stories.PAST)
        teller.add(stories.OPEN)
        money.plan_invoices(teller, by=cast.people["bill"])
        teller.tell()
        _let_the_past_rest()
        return Made(
            cast.sign_ins,
            len(cast.clients),
            len(cast.devices),
            Ticket.objects.visible_to(BY).count(),
        )


def _let_the_past_rest() -> None:
    """Send no mail of weeks past to made-up addresses, and leave only fresh news unread."""
    Notification.objects.filter(channel=Channel.EMAIL, state=NotificationState.PENDING).update(
        state=NotificationState.SENT, sent_at=clock.now()
    )
