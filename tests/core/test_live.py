"""Open screens are told that something changed, and only whose it is."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import transaction

from msp.asgi import application
from msp.core import clock, live
from msp.core.models import Grant, User
from tests.factories import clients as make
from tests.factories import core as make_staff

pytestmark = pytest.mark.django_db(transaction=True)


def in_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test in an event loop of its own."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        async_to_sync(test)(**fixtures)

    return run


class Socket(ApplicationCommunicator):
    """A tab's WebSocket; channels' own tester imports a server that we do not use."""

    async def connect(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return bool((await self.receive_output(5))["type"] == "websocket.accept")

    async def say(self, message: object) -> None:
        await self.send_input({"type": "websocket.receive", "text": json.dumps(message)})

    async def hear(self) -> Any:
        message = await self.receive_output(5)
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])

    async def close(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(5)


@pytest.fixture(autouse=True)
def _layer(settings: Any) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


def _cookie(user: User) -> str:
    session = SessionStore()
    session["_auth_user_id"] = str(user.pk)
    session["_auth_user_backend"] = "allauth.account.auth_backends.AuthenticationBackend"
    session["_auth_user_hash"] = user.get_session_auth_hash()
    session.save()
    return f"sessionid={session.session_key}"


@asynccontextmanager
async def _socket(
    user: User | None, origin: str = "http://localhost", path: str = "/ws/live/"
) -> AsyncIterator[tuple[Socket, bool]]:
    headers = [(b"origin", origin.encode()), (b"host", b"localhost")]
    if user:
        headers.append((b"cookie", (await sync_to_async(_cookie)(user)).encode()))
    socket = Socket(
        application,
        {
            "type": "websocket",
            "path": path,
            "query_string": b"",
            "headers": headers,
            "subprotocols": [],
        },
    )
    connected = await socket.connect()
    try:
        yield socket, connected
    finally:
        if connected:
            await socket.close()


async def _subscribe(socket: Socket, *topics: str) -> None:
    await socket.say({"t": "sub", "topics": list(topics)})
    await socket.say({"t": "ping"})
    assert await socket.hear() == {"t": "pong"}


def _touch(client_id: int) -> None:
    with transaction.atomic():
        live.touch("tickets", "some-id", client_id=client_id)


@in_loop
async def test_a_technician_hears_of_a_change(technician: User) -> None:
    async with _socket(technician) as (socket, connected):
        assert connected
        await _subscribe(socket, "tickets")
        await sync_to_async(_touch)(42)
        hint = await socket.hear()
    assert (hint["t"], hint["topic"], hint["ids"]) == ("hint", "tickets", ["some-id"])


@in_loop
async def test_a_restricted_person_hears_only_of_the_own_clients() -> None:
    def people() -> tuple[User, int, int]:
        acme, rival = make.client("Acme"), make.client("Rival")
        person = make_staff.staff(
            "technician", email="r@msp.example", scope="set", client_ids=[acme.pk]
        )
        return person, acme.pk, rival.pk

    person, acme_id, rival_id = await sync_to_async(people)()
    async with _socket(person) as (socket, _):
        await _subscribe(socket, "tickets")
        await sync_to_async(_touch)(rival_id)
        assert await socket.receive_nothing(0.2)
        await sync_to_async(_touch)(acme_id)
        assert (await socket.hear())["t"] == "hint"


@in_loop
async def test_nobody_connects_without_a_session() -> None:
    async with _socket(None) as (_, connected):
        assert not connected


@in_loop
async def test_a_contact_has_no_socket(contact: User) -> None:
    async with _socket(contact) as (_, connected):
        assert not connected


@in_loop
async def test_another_sites_page_cannot_connect(technician: User) -> None:
    async with _socket(technician, origin="https://evil.example") as (_, connected):
        assert not connected


@in_loop
async def test_a_session_that_ended_closes_the_socket_before_the_next_hint(
    technician: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msp.core.consumers.RECHECK_SECONDS", 0)
    async with _socket(technician) as (socket, _):
        await sync_to_async(User.objects.filter(pk=technician.pk).update)(is_active=False)
        await sync_to_async(_touch)(1)
        message = await socket.receive_output(5)
    assert (message["type"], message["code"]) == ("websocket.close", 4401)


def _changes_password(user: User) -> None:
    user.set_password("another horse battery")
    user.save(update_fields=["password"])


def _session_runs_out(user: User) -> None:
    Session.objects.update(expire_date=clock.now() - timedelta(seconds=1))


def _signs_out(user: User) -> None:
    Session.objects.all().delete()


@pytest.mark.parametrize("ends", [_changes_password, _session_runs_out, _signs_out])
@in_loop
async def test_a_socket_ends_with_what_let_it_in(
    technician: User, monkeypatch: pytest.MonkeyPatch, ends: Callable[[User], None]
) -> None:
    monkeypatch.setattr("msp.core.consumers.RECHECK_SECONDS", 0)
    async with _socket(technician) as (socket, _):
        await sync_to_async(ends)(technician)
        await sync_to_async(_touch)(1)
        message = await socket.receive_output(5)
    assert (message["type"], message["code"]) == ("websocket.close", 4401)


@in_loop
async def test_a_grant_that_is_taken_back_ends_the_hints(
    technician: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msp.core.consumers.RECHECK_SECONDS", 0.1)
    async with _socket(technician) as (socket, _):
        await _subscribe(socket, "tickets")
        await sync_to_async(Grant.objects.filter(user=technician).delete)()
        assert await socket.receive_nothing(0.4)
        await sync_to_async(_touch)(1)
        assert await socket.receive_nothing(0.2)


@pytest.mark.parametrize("message", [{}, [], {"t": "sub"}, {"t": "nonsense"}, "text", None])
@in_loop
async def test_a_message_nobody_listed_gets_a_constant_answer(
    technician: User, message: object
) -> None:
    async with _socket(technician) as (socket, _):
        await socket.say(message)
        assert await socket.hear() == {"t": "error"}


@pytest.mark.parametrize("frame", ["", "{", "[" * 100_000, '"\\ud800', "9" * 5_000])
@in_loop
async def test_a_frame_that_is_no_json_gets_the_same_answer(technician: User, frame: str) -> None:
    async with _socket(technician) as (socket, _):
        await socket.send_input({"type": "websocket.receive", "text": frame})
        assert await socket.hear() == {"t": "error"}
        await socket.send_input({"type": "websocket.receive", "bytes": b"\x00\xff"})
        assert await socket.hear() == {"t": "error"}


@in_loop
async def test_a_topic_that_is_no_word_is_not_joined(technician: User) -> None:
    async with _socket(technician) as (socket, _):
        await socket.say({"t": "sub", "topics": [{"a": 1}, [1], None, "tickets"]})
        await _subscribe(socket)
        await sync_to_async(_touch)(1)
        assert (await socket.hear())["topic"] == "tickets"


@in_loop
async def test_an_unknown_topic_is_not_joined(technician: User) -> None:
    async with _socket(technician) as (socket, _):
        await _subscribe(socket, "secrets", "tickets")
        await sync_to_async(_touch)(1)
        assert (await socket.hear())["topic"] == "tickets"


@in_loop
async def test_an_unknown_address_is_closed_quietly(technician: User) -> None:
    async with _socket(technician, path="/ws/absent/") as (_, connected):
        assert not connected
