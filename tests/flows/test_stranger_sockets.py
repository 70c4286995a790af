"""Open screens of people restricted to a rival hear nothing of Acme, on any topic."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction

from msp.core import live
from msp.core.models import User
from tests.core.test_live import _layer, _socket, _subscribe, in_loop
from tests.factories import clients as make
from tests.factories.estate import staff_of
from tests.factories.tickets import ticket

__all__ = ["_layer"]  # a fixture that every test here uses by itself

pytestmark = pytest.mark.django_db(transaction=True)


def _touch(topic: str, client_id: int) -> None:
    with transaction.atomic():
        live.touch(topic, str(client_id), client_id=client_id)


def _people() -> tuple[User, int, int]:
    acme, rival = make.client("Acme"), make.client("Rival")
    return staff_of([rival.pk]), acme.pk, rival.pk


@pytest.mark.parametrize("topic", sorted(live.TOPICS - {"notifications"}))
@in_loop
async def test_the_first_hint_is_of_ones_own_client(topic: str) -> None:
    person, acme, rival = await sync_to_async(_people)()
    async with _socket(person) as (socket, _):
        await _subscribe(socket, *sorted(live.TOPICS))
        await sync_to_async(_touch)(topic, acme)
        await sync_to_async(_touch)(topic, rival)
        hint = await socket.hear()
    assert (hint["topic"], hint["ids"]) == (topic, [str(rival)])


@in_loop
async def test_a_new_ticket_of_acme_makes_no_sound() -> None:
    person, _acme, rival = await sync_to_async(_people)()
    async with _socket(person) as (socket, _):
        await _subscribe(socket, *sorted(live.TOPICS))
        await sync_to_async(ticket)(await sync_to_async(make.client)("Acme"))
        await sync_to_async(_touch)("tickets", rival)
        hint = await socket.hear()
    assert hint["ids"] == [str(rival)]


@in_loop
async def test_anothers_notification_makes_no_sound(technician: User) -> None:
    person, _acme, _rival = await sync_to_async(_people)()

    def tell() -> None:
        with transaction.atomic():
            live.touch_user(technician.pk, "notifications", "theirs")
            live.touch_user(person.pk, "notifications", "own")

    async with _socket(person) as (socket, _):
        await _subscribe(socket, "notifications")
        await sync_to_async(tell)()
        hint = await socket.hear()
    assert hint["ids"] == ["own"]
