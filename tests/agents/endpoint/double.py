"""A stand-in for the server that speaks the protocol and checks what it is sent.

Signatures are verified by the package http-message-signatures, bodies read by the package
msgpack: neither is the agent's own code. `script` holds answers to give instead of storing.
"""

import base64
import contextlib
import gzip
import hashlib
import json
import math
import struct
import threading
import time
import uuid
import warnings
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import msgpack
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from msp_agent.identity import Identity

BOOT = "5f1c7f0e-6a0e-4b55-9b51-0c4f9d6fb001"
START_MS = 1_790_000_000_000
SERIES = [("system.cpu.utilization", ""), ("system.filesystem.utilization", "/")]
TOKEN = "token-for-tests-0123456789"
COMPONENTS = ("@method", "@authority", "@path", "@query", "content-digest")
MAX_SKEW_MS = 300_000


class FakeTime:
    """True time, a device's wall clock that may be wrong, and its ticks, which are not."""

    def __init__(self) -> None:
        self.true_ms = START_MS
        self.wall_error_ms = 0

    def pass_(self, seconds: float) -> None:
        self.true_ms += math.ceil(seconds * 1000)  # a wait must end

    def wall(self) -> int:
        return self.true_ms + self.wall_error_ms

    def ticks(self) -> int:
        return self.true_ms - START_MS + 1_000_000

    def monotonic(self) -> float:
        return self.true_ms / 1000

    def server_ms(self) -> int:
        return self.true_ms


class Keys(HTTPSignatureKeyResolver):
    def __init__(self) -> None:
        self.by_id: dict[str, Ed25519PublicKey] = {}
        self.secrets: dict[str, bytes] = {}

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey | bytes | None:
        return self.secrets.get(key_id) or self.by_id.get(key_id)


class TimelessVerifier(HTTPMessageVerifier):
    """Leave `created` to the double, which judges it by its own clock."""

    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        pass


class ServerDouble:
    """Stores what is rightly signed; answers from `script` first (status, body, headers)."""

    def __init__(self) -> None:
        self.keys = Keys()
        self.nonces: set[str] = set()
        self.token_answer: tuple[int, dict[str, Any]] | None = None
        self.status = "active"
        self.now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
        self.script: list[tuple[int, dict[str, Any], dict[str, str]]] = []
        self.refuse_everything: tuple[int, dict[str, Any], dict[str, str]] | None = None
        self.requests: list[dict[str, Any]] = []  # every rightly signed report
        self.stored: dict[tuple[int, int], dict[str, Any]] = {}
        self.layouts: dict[str, list[list[str]]] = {}
        self.enrolments: list[dict[str, Any]] = []
        self.sessions = 0
        self.session_answer: tuple[int, dict[str, Any], dict[str, str]] | None = None
        self.session_seconds = 86_400
        self.bad_signatures: list[str] = []
        self.connections = 0
        self.next_interval = 60
        self._lock = threading.Lock()
        self._http: ThreadingHTTPServer | None = None

    # -- what a test asks

    def rows(self) -> dict[tuple[int, str, str], float]:
        """Return {(server time ms, metric, instance): value} over everything stored."""
        found: dict[tuple[int, str, str], float] = {}
        for report in self.stored.values():
            for ts, data in report["rows"]:
                values = struct.unpack(f"<{len(data) // 4}f", data)
                series = self.layouts[report["layout"]]
                for (metric, instance), value in zip(series, values, strict=True):
                    found[ts + report["clock_offset"], metric, instance] = value
        return found

    def times(self) -> list[int]:
        """Return the server times of all stored rows, in the order of arrival, repeats included."""
        return [
            ts + report["clock_offset"]
            for report in self.stored.values()
            for ts, _ in report["rows"]
        ]

    def know(self, key: Ed25519PublicKey) -> Identity:
        key_id = str(uuid.uuid4())
        self.keys.by_id[key_id] = key
        return Identity(
            server=self.url, device=str(uuid.uuid4()), key_id=key_id, status="active", enrolled_at=0
        )

    # -- running

    def __enter__(self) -> "ServerDouble":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self, port: int = 0) -> None:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20
            disable_nagle_algorithm = True
            wbufsize = -1

            def setup(self) -> None:
                super().setup()
                double.connections += 1
                double._sockets.add(self.connection)

            def finish(self) -> None:
                double._sockets.discard(self.connection)
                super().finish()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with double._lock:
                    status, answer, headers = double.answer(self.path, self.headers, body)
                if status == 0:  # hang up without a word
                    self.close_connection = True
                    return
                raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)
                self.wfile.flush()

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a killed agent hangs up in the middle

        self._sockets: set[Any] = set()
        self._http = Server(("127.0.0.1", port), Handler)
        self.port = self._http.server_address[1]
        self.url = f"http://localhost:{self.port}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening and hang up on everybody."""
        http, self._http = self._http, None
        if http is None:
            return
        http.shutdown()
        http.server_close()
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(2)

    # -- answering

    def answer(self, path: str, headers: Any, body: bytes) -> tuple[int, Any, dict[str, str]]:
        if path == "/api/v1/agent/nonce":
            nonce = uuid.uuid4().hex
            self.nonces.add(nonce)
            return 200, {"nonce": nonce, "expires_in": 300}, {}
        if path == "/api/v1/agent/enrol":
            return self._enrol(path, headers, body)
        if path == "/api/v1/agent/session":
            return self._begin_session(path, headers, body)
        assert path == "/api/v1/telemetry", path
        return self._telemetry(path, headers, body)

    def _enrol(self, path: str, headers: Any, body: bytes) -> tuple[int, Any, dict[str, str]]:
        sent = json.loads(body)
        self.keys.by_id["enrol"] = Ed25519PublicKey.from_public_bytes(
            base64.b64decode(sent["public_key"])
        )
        if (error := self._verify(path, headers, body)) is not None:
            return error
        if sent["nonce"] not in self.nonces:
            return 401, self._error("nonce_unknown"), {}
        self.nonces.discard(sent["nonce"])
        if self.token_answer is not None:
            return self.token_answer[0], self.token_answer[1], {}
        if sent["token"] != TOKEN:
            return 403, self._error("token_unknown"), {}
        key_id = str(uuid.uuid4())
        self.keys.by_id[key_id] = self.keys.by_id["enrol"]
        self.enrolments.append(sent)
        return (
            201,
            {
                "device": str(uuid.uuid4()),
                "key_id": key_id,
                "status": self.status,
                "config": {"interval_seconds": 60},
                "time": self.now_ms(),
            },
            {},
        )

    def _begin_session(
        self, path: str, headers: Any, body: bytes
    ) -> tuple[int, Any, dict[str, str]]:
        if (error := self._verify(path, headers, body)) is not None:
            return error
        if self.session_answer is not None:
            return self.session_answer
        device_public = base64.b64decode(json.loads(body)["public_key"])
        own = X25519PrivateKey.generate()
        public = own.public_key().public_bytes_raw()
        session, device = uuid.uuid4(), headers["Signature-Input"].split('keyid="')[1][:36]
        self.keys.secrets[str(session)] = HKDF(
            algorithm=SHA256(),
            length=32,
            salt=hashlib.sha256(device_public + public).digest(),
            info=b"msp-agent session v1" + session.bytes + uuid.UUID(device).bytes,
        ).derive(own.exchange(X25519PublicKey.from_public_bytes(device_public)))
        self.sessions += 1
        answer = {
            "key_id": str(session),
            "public_key": base64.b64encode(public).decode(),
            "expires_at": self.now_ms() + self.session_seconds * 1000,
            "time": self.now_ms(),
        }
        return 201, answer, {}

    def _telemetry(self, path: str, headers: Any, body: bytes) -> tuple[int, Any, dict[str, str]]:
        if (error := self._verify(path, headers, body, algorithms.HMAC_SHA256)) is not None:
            return error
        assert headers["Content-Type"] == "application/msgpack"
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        report = msgpack.unpackb(body)
        self.requests.append(report)
        if self.script:
            status, answer, extra = self.script.pop(0)
            if answer == "store":  # stored, and then the answer is lost
                self._store(report)
                return 0, {}, {}
            return status, self._error(answer) if isinstance(answer, str) else answer, extra
        if self.refuse_everything is not None:
            status, answer, extra = self.refuse_everything
            return status, answer, extra
        if "layout_def" in report:
            text = json.dumps(report["layout_def"], separators=(",", ":"), ensure_ascii=False)
            if hashlib.sha256(text.encode()).hexdigest()[:16] != report["layout"]:
                return 400, self._error("bad_layout"), {}
            self.layouts[report["layout"]] = report["layout_def"]
        if report["layout"] not in self.layouts:
            return 409, self._error("unknown_layout"), {}
        self._store(report)
        return (
            200,
            {
                "stored": len(report["rows"]),
                "acked_through": report["seq"],
                "rejected": [],
                "time": self.now_ms(),
                "next_interval": self.next_interval,
                "jobs_pending": False,
                "config_etag": "1",
            },
            {},
        )

    def _store(self, report: dict[str, Any]) -> None:
        name = (report["epoch"], report["seq"])
        if "layout_def" in report:
            self.layouts[report["layout"]] = report["layout_def"]
        known = self.stored.setdefault(name, report)
        assert known["rows"] == report["rows"], f"batch {name} came again with other rows"

    def _verify(
        self, path: str, headers: Any, body: bytes, algorithm: Any = algorithms.ED25519
    ) -> tuple[int, dict[str, Any], dict[str, str]] | None:
        verifier = TimelessVerifier(signature_algorithm=algorithm, key_resolver=self.keys)
        message = SimpleNamespace(
            method="POST", url=f"http://{headers['Host']}{path}", headers=dict(headers.items())
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                results = verifier.verify(
                    message, max_age=None, require_components=COMPONENTS, body=body
                )
        except InvalidSignature as error:
            self.bad_signatures.append(str(error))
            return 401, self._error("bad_signature"), {}
        parameters = results[0].parameters
        assert set(parameters) == {"created", "nonce", "keyid", "alg"}
        if abs(int(parameters["created"]) * 1000 - self.now_ms()) > MAX_SKEW_MS:
            return 401, self._error("skewed"), {}
        return None

    def _error(self, code: str) -> dict[str, Any]:
        return {"code": code, "message": f"test says {code}", "time": self.now_ms()}
