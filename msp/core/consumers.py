"""The one WebSocket of a tab. It sends hints; changes go by POST with a CSRF token."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.module_loading import import_string

from msp.core import live
from msp.core.models import User
from msp.core.scope import ScopeKind

#: How long a session and its rights are believed before they are read again.
RECHECK_SECONDS = 30
CLOSE_SIGNED_OUT = 4401
MAX_TOPICS = 10


_SessionStore = import_string(f"{settings.SESSION_ENGINE}.SessionStore")


class NoSuchSocket(AsyncWebsocketConsumer):
    """Close at once: there is nothing here."""

    async def connect(self) -> None:
        await self.close()


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """Staff screens subscribe to topics; only hints about clients in their scope arrive.

    Origin is checked by the router, the session at connect, the scope at subscribe, and both
    again every 30 s and before a hint that is later than that.
    """

    groups_joined: set[str]
    topics: set[str]

    async def connect(self) -> None:
        self.groups_joined, self.topics = set(), set()
        self.user: User | AnonymousUser = self.scope["user"]
        if not await self._still_signed_in():
            await self.close(code=CLOSE_SIGNED_OUT)
            return
        await self.accept()
        await self._join({live.group_for_user(self.user.pk)})  # type: ignore[arg-type]
        self._watch = asyncio.ensure_future(self._recheck_forever())

    async def disconnect(self, code: int) -> None:
        if hasattr(self, "_watch"):
            self._watch.cancel()
        for group in self.groups_joined:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any
    ) -> None:
        """Read a frame; what is no JSON is answered like any other message nobody listed."""
        try:
            content = json.loads(text_data or "")
        except (ValueError, RecursionError):
            content = None
        await self.receive_json(content)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        kind = content.get("t") if isinstance(content, dict) else None
        if kind == "ping":
            await self.send_json({"t": "pong"})
        elif kind == "sub" and isinstance(content.get("topics"), list):
            asked = [topic for topic in content["topics"][:MAX_TOPICS] if isinstance(topic, str)]
            wanted = live.TOPICS.intersection(asked)
            self.topics |= wanted
            await self._join(await self._groups(wanted))
        else:
            # One constant answer: an error that quotes its input has leaked sessions elsewhere.
            await self.send_json({"t": "error"})

    async def live_hint(self, message: dict[str, Any]) -> None:
        """Pass a hint on, unless the session has ended meanwhile."""
        if time.monotonic() - self._checked_at > RECHECK_SECONDS and not await self._recheck():
            return
        await self.send_json(
            {"t": "hint", "topic": message["topic"], "ids": message["ids"], "v": message["v"]}
        )

    async def _recheck_forever(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            if not await self._recheck():
                return

    async def _recheck(self) -> bool:
        if not await self._still_signed_in():
            await self.close(code=CLOSE_SIGNED_OUT)
            return False
        keep = await self._groups(self.topics) | {live.group_for_user(self.user.pk)}  # type: ignore[arg-type]
        for group in self.groups_joined - keep:
            await self.channel_layer.group_discard(group, self.channel_name)
        self.groups_joined &= keep
        await self._join(keep)
        return True

    async def _join(self, groups: set[str]) -> None:
        for group in groups - self.groups_joined:
            await self.channel_layer.group_add(group, self.channel_name)
            self.groups_joined.add(group)

    @database_sync_to_async
    def _still_signed_in(self) -> bool:
        self._checked_at = time.monotonic()
        session = self.scope.get("session")
        if session is None or not session.session_key:
            return False
        # Read afresh, as a page would: it may be gone, have run out, or belong to an old password.
        request = HttpRequest()
        request.session = _SessionStore(session.session_key)
        self.user = get_user(request)  # type: ignore[assignment]
        return isinstance(self.user, User) and self.user.is_staff_member

    @database_sync_to_async
    def _groups(self, topics: set[str]) -> set[str]:
        if not isinstance(self.user, User):
            return set()
        scope = self.user.scope
        if scope.kind is ScopeKind.ALL:
            return {live.group_for_all(topic) for topic in topics}
        return {
            live.group_for_client(topic, client_id)
            for topic in topics
            for client_id in scope.client_ids
        }
