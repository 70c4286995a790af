"""The door in a real server: what was acknowledged survives, and the real agent gets in."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection

from agents import services
from agents.models import Device
from monitoring.models import IngestGroup
from msp.core.scope import SystemPrincipal, acting_as
from tests.factories import clients as make
from tests.monitoring.ingest import Machine, machine, packed, rows_of

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = SystemPrincipal("tests")
START_SECONDS = 30
pytestmark = [pytest.mark.flow, pytest.mark.django_db(transaction=True)]


def _environment(port: int) -> dict[str, str]:
    """Return this process's environment with the test database's name in its addresses."""
    found = dict(os.environ)
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_INGEST_URL"):
        if name in found:
            url = urlsplit(found[name])
            path = f"/{connection.settings_dict['NAME']}"
            found[name] = urlunsplit(url._replace(path=path))
    return found | {
        "DJANGO_SETTINGS_MODULE": "msp.settings.test",
        "PUBLIC_URL": f"http://localhost:{port}",
        "PYTHONPATH": str(ROOT),
    }


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def _server(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-m", "uvicorn", "msp.asgi:application", "--host", "127.0.0.1"]
    words += ["--port", str(port), "--log-level", "warning", "--timeout-graceful-shutdown", "5"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            words, cwd=ROOT, env=_environment(port), stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        return _call(port, "GET", "/healthz")[0] == 200
    except OSError:
        return False


def _call(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        link.request(method, path, body, {"Host": f"localhost:{port}", **(headers or {})})
        answer = link.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content[:1] == b"{" else {}
    finally:
        link.close()


def _post(port: int, who: Machine, report: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    body, headers = packed(report)
    signed = who.signer.headers(body, host=f"localhost:{port}")
    return _call(port, "POST", "/api/v1/telemetry", body, {**headers, **signed})


def test_what_was_acknowledged_survives_the_death_of_the_server(tmp_path: Path) -> None:
    who, port, log = machine(), _free_port(), tmp_path / "server.log"
    acknowledged = []
    for _ in range(3):
        with _server(port, log) as process:
            for _ in range(5):
                report = who.report()
                assert _post(port, who, report)[0] == 200
                acknowledged.append(report)
            process.kill()  # right after the answer
            process.wait()
        assert [seq for _, _, seq, _ in rows_of(who)] == [r["seq"] for r in acknowledged]
    with _server(port, log):
        answers = [_post(port, who, report) for report in acknowledged]
    assert {status for status, _ in answers} == {200}
    assert answers[-1][1]["acked_through"] == len(acknowledged)
    assert len(rows_of(who)) == len(acknowledged)
    with acting_as(SYSTEM):
        devices = IngestGroup.objects.filter(devices=[who.device.pk])
        assert devices.count() == len(acknowledged)


def test_the_real_agent_enrols_and_its_processor_is_in_the_database(tmp_path: Path) -> None:
    port, log = _free_port(), tmp_path / "server.log"
    with acting_as(SYSTEM):
        site = make.site(make.client("Acme"))
        _, secret = services.make_enrolment_token(by=SYSTEM, site_id=site.pk, label="this machine")
    (tmp_path / "token").write_text(secret)
    words = [sys.executable, "-m", "msp_agent", "run", "--server", f"http://localhost:{port}"]
    words += ["--state-dir", str(tmp_path / "state"), "--token-file", str(tmp_path / "token")]
    environment = _environment(port) | {
        "PYTHONPATH": str(ROOT / "agents" / "endpoint"),
        "MSP_AGENT_INTERVAL_SECONDS": "0.5",
    }
    with _server(port, log):
        with (tmp_path / "agent.log").open("wb") as output:
            agent = subprocess.Popen(words, env=environment, stdout=output, stderr=output)
        try:
            found: list[Any] = []
            deadline = time.monotonic() + START_SECONDS
            while len(found) < 3 and time.monotonic() < deadline:
                time.sleep(0.2)
                found = _processor()
        finally:
            agent.terminate()
            agent.wait(15)
    told = log.read_text() + (tmp_path / "agent.log").read_text()
    assert len(found) >= 3, told
    assert all(0 <= value <= 1 for value in found)
    with acting_as(SYSTEM):
        (device,) = Device.objects.select_related("checkin").prefetch_related("sections")
        assert device.os_family == "linux"
        assert [section.section for section in device.sections.all()] == ["system"]
        assert device.checkin.boot_id
    assert not (tmp_path / "token").exists()


def _processor() -> list[float]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.v[1] FROM monitoring_sample s JOIN monitoring_layout l ON l.id = s.layout_id "
            "JOIN agents_device d ON d.id = s.device_id "
            "WHERE l.series -> 0 ->> 0 = 'system.cpu.utilization'"
        )
        return [row[0] for row in cursor.fetchall()]
