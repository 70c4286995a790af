"""One kept-open HTTP connection to the server.

Small on purpose: stdlib only, no redirects (a signature covers the path), no proxies.
"""

import contextlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msp_agent import __version__
from msp_agent.signing import Signer, authority, signed_headers

CONNECT_TIMEOUT_SECONDS = 10.0
ANSWER_TIMEOUT_SECONDS = 20.0
ANSWER_LIMIT_BYTES = 1 << 20
USER_AGENT = f"msp-agent/{__version__}"


class NoAnswer(Exception):
    """The server could not be reached, or went away before it answered.

    `was_sent` is False when no byte of the request can have arrived.
    """

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer; `body` is {} when it was not a JSON object (a proxy, a captive portal)."""

    status: int
    headers: Mapping[str, str]
    body: dict[str, Any]
    round_trip_ms: int


class Transport:
    """Send requests to one server, reusing the connection while the server keeps it open."""

    def __init__(self, server: str, *, ca_file: Path | None = None) -> None:
        url = urlsplit(server)
        if url.scheme not in ("http", "https"):
            raise ValueError("the server's URL begins with https:// or http://")
        self.authority = authority(url)
        self.base_path = url.path.rstrip("/")
        self._host = url.hostname or ""
        self._port = url.port
        self._context = _tls(ca_file) if url.scheme == "https" else None
        self._connection: http.client.HTTPConnection | None = None
        self._is_fresh = True

    def path(self, path: str) -> str:
        """Return a path on the server, below the prefix of its URL if it has one."""
        return self.base_path + path

    def connect(self) -> None:
        """Open the connection if none is open.

        Errors: NoAnswer with `was_sent` False.
        """
        if self._connection is not None and self._connection.sock is not None:
            return
        connection = self._make_connection()
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NoAnswer(_explain(error), was_sent=False) from error
        connection.sock.settimeout(ANSWER_TIMEOUT_SECONDS)
        self._connection = connection
        self._is_fresh = True

    def post(self, path: str, body: bytes, headers: Callable[[], Mapping[str, str]]) -> Answer:
        """POST `body` and return the answer.

        `headers` is called for each attempt, so a repeat carries a fresh signature: a connection
        that the server closed while it was idle is opened again, once.

        Errors: NoAnswer.
        """
        self.connect()
        was_reused = not self._is_fresh
        try:
            return self._exchange(path, body, headers())
        except NoAnswer:
            if not was_reused:
                raise
        self.connect()
        return self._exchange(path, body, headers())

    def post_signed(
        self,
        path: str,
        body: bytes,
        *,
        signer: Signer,
        created: Callable[[], int],
        content: Mapping[str, str],
        nonce: str | None = None,
    ) -> Answer:
        """POST `body` below the server's prefix, signed anew for each attempt; return the answer.

        `created` gives the server's time in seconds; `content` holds the fields of the body.
        Errors: NoAnswer.
        """
        whole = self.path(path)

        def headers() -> Mapping[str, str]:
            return {
                **content,
                **signed_headers(
                    signer,
                    method="POST",
                    authority=self.authority,
                    path=whole,
                    body=body,
                    created=created(),
                    nonce=nonce,
                ),
            }

        return self.post(whole, body, headers)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abort(self) -> None:
        """Wake up a thread that waits for an answer; it then gets NoAnswer."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _make_connection(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(
                self._host, self._port, timeout=CONNECT_TIMEOUT_SECONDS
            )
        return http.client.HTTPSConnection(
            self._host,
            self._port,
            timeout=CONNECT_TIMEOUT_SECONDS,
            context=self._context,
        )

    def _exchange(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        connection = self._connection
        if connection is None:
            raise NoAnswer("the connection was closed", was_sent=False)
        began = time.monotonic_ns()
        try:
            connection.request(
                "POST",
                path,
                body=body,
                headers={"Host": self.authority, "User-Agent": USER_AGENT, **headers},
            )
            response = connection.getresponse()
            content = response.read(ANSWER_LIMIT_BYTES)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswer(_explain(error), was_sent=True) from error
        self._is_fresh = False
        if response.will_close or not response.isclosed():
            self.close()
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            body=_json_object(content),
            round_trip_ms=(time.monotonic_ns() - began) // 1_000_000,
        )


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _explain(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {error.verify_message}"
    return f"{type(error).__name__}: {error}"
