"""Pages and API of devices and tokens: what the cast sees, and what it may do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents import services
from agents.enums import DeviceState, IdentifierKind
from agents.models import Device, DeviceCheckin, DeviceKey, EnrolmentToken, Identifier
from msp.core import clock
from msp.core.enums import GrantScope
from msp.core.models import AuditEntry, User
from msp.core.scope import SystemPrincipal, acting_as
from msp.core.templatetags.ui import byte_words
from tests.factories import agents as make_device
from tests.factories import clients as make
from tests.factories import core as make_staff

SYSTEM = SystemPrincipal("tests")
pytestmark = pytest.mark.django_db


def _browser(user: User) -> Browser:
    browser = Browser()
    browser.force_login(user)
    return browser


def _device(name: str = "SRV-01", client: str = "Acme", **fields: Any) -> Device:
    silent = fields.pop("silent", None)
    device = make_device.device(make.client(client), name, **fields)
    if silent is not None:
        with acting_as(SYSTEM):
            DeviceCheckin.objects.create(
                device=device,
                client_id=device.client_id,
                last_report_at=clock.now() - silent,
                epoch=1,
            )
    return device


def _fresh(device: Device) -> Device:
    with acting_as(SYSTEM):
        return Device.objects.get(pk=device.pk)


@pytest.fixture
def acme_only(db: None) -> User:
    """A technician whose grant covers Acme alone."""
    client = make.client("Acme")
    return make_staff.staff(
        "technician",
        email="tom@msp.example",
        name="Tom",
        scope=GrantScope.SET,
        client_ids=[client.pk],
    )


# ---------------------------------------------------------------- the list


def test_lists_devices_with_when_they_were_last_seen(technician: User) -> None:
    _device("SRV-01", silent=timedelta(seconds=20))
    _device("SRV-02", silent=timedelta(hours=3))
    _device("LAP-01", state=DeviceState.PENDING)
    page = _browser(technician).get("/devices/").content.decode()
    assert page.index("LAP-01") < page.index("SRV-01") < page.index("SRV-02")
    for words in ("Online", "Offline", "Waits for approval", "never"):
        assert words in page


def test_shows_only_devices_of_ones_own_clients(acme_only: User) -> None:
    _device("ACME-01", "Acme")
    hidden = _device("RIVAL-01", "Rival")
    browser = _browser(acme_only)
    page = browser.get("/devices/").content.decode()
    assert "ACME-01" in page
    assert "RIVAL-01" not in page
    assert browser.get(f"/devices/{hidden.public_id}/").status_code == 404
    assert browser.get(f"/api/v1/devices/{hidden.public_id}/").status_code == 404
    assert [row["name"] for row in browser.get("/api/v1/devices/").json()["results"]] == ["ACME-01"]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("srv", True),
        ("7719", True),
        ("00-1A-2B-3C-4D-5E", True),
        ("1a:2b", True),
        ("nothing", False),
        ("%", False),
        ("_", False),
    ],
)
def test_finds_a_device_by_name_serial_and_address(technician: User, q: str, found: bool) -> None:
    device = _device("SRV-01")
    with acting_as(SYSTEM):
        for kind, value in (
            (IdentifierKind.SERIAL, "FL60X-7719"),
            (IdentifierKind.MAC, "00:1a:2b:3c:4d:5e"),
        ):
            Identifier.objects.create(
                client_id=device.client_id, device=device, kind=kind, value=value
            )
    page = _browser(technician).get("/devices/", {"q": q}).content.decode()
    assert (f"device-{device.public_id}-row" in page) is found


def test_search_by_serial_finds_nothing_of_other_clients(acme_only: User) -> None:
    device = _device("RIVAL-01", "Rival")
    with acting_as(SYSTEM):
        Identifier.objects.create(
            client_id=device.client_id, device=device, kind="serial", value="SECRET-77"
        )
    page = _browser(acme_only).get("/devices/", {"q": "SECRET-77"}).content.decode()
    assert str(device.public_id) not in page


def test_retired_devices_are_listed_when_asked_for(technician: User) -> None:
    _device("OLD-01", state=DeviceState.RETIRED)
    browser = _browser(technician)
    assert "OLD-01" not in browser.get("/devices/").content.decode()
    assert "OLD-01" in browser.get("/devices/", {"state": "retired"}).content.decode()


def test_pages_through_the_list_both_ways(technician: User, monkeypatch: Any) -> None:
    monkeypatch.setattr("agents.views.parts.ROWS", 2)
    devices = {name: _device(name) for name in ("a", "B", "c", "D", "e")}
    browser = _browser(technician)

    def names(**words: str) -> list[str]:
        rows = browser.get("/devices/", words).context["page"].rows
        return [row.device.name for row in rows]

    assert names() == ["a", "B"]
    assert names(after=str(devices["B"].public_id)) == ["c", "D"]
    assert names(after=str(devices["D"].public_id)) == ["e"]
    assert names(before=str(devices["e"].public_id)) == ["c", "D"]
    assert names(before=str(devices["c"].public_id)) == ["a", "B"]
    assert names(after="nonsense") == ["a", "B"]


@pytest.mark.parametrize("url", ["/devices/", "/api/v1/devices/"])
def test_a_longer_list_costs_no_more_queries(technician: User, url: str) -> None:
    counts = []
    for names in (range(3), range(3, 30)):
        for n in names:
            _device(f"SRV-{n:02}", silent=timedelta(minutes=n))
        browser = _browser(technician)
        browser.get(url)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert browser.get(url).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_longer_list_of_tokens_costs_no_more_queries(technician: User) -> None:
    counts = []
    for names in (range(3), range(3, 30)):
        for n in names:
            _token(label=f"token {n}")
        browser = _browser(technician)
        browser.get("/enrolment/")
        with CaptureQueriesContext(connection) as queries:
            assert browser.get("/enrolment/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


# ---------------------------------------------------------------- one device


def test_says_loudly_that_figures_are_old(technician: User) -> None:
    browser = _browser(technician)
    fresh = browser.get(f"/devices/{_device('A', silent=timedelta(0)).public_id}/")
    silent = browser.get(f"/devices/{_device('B', silent=timedelta(hours=1)).public_id}/")
    assert b"has fallen silent" not in fresh.content
    assert b"has fallen silent" in silent.content


def test_shows_hostile_inventory_as_text(technician: User) -> None:
    device = _device("<script>alert(1)</script>")
    with acting_as(SYSTEM):
        device.sections.create(
            client_id=device.client_id,
            section="system",
            sha256="0" * 64,
            content={"hostname": "<img src=x onerror=alert(1)>", "ram_bytes": 8_000_000_000},
            seen_at=clock.now(),
        )
        device.changes.create(
            client_id=device.client_id,
            section="system",
            path="<s>evil",
            old="<u>evil",
            new=None,
            at=clock.now(),
        )
    page = _browser(technician).get(f"/devices/{device.public_id}/").content.decode()
    for raw in ("<script>alert", "<img src=x", "<s>evil", "<u>evil"):
        assert raw not in page
    assert byte_words(8_000_000_000) in page


def test_changes_what_people_decide(technician: User) -> None:
    device = _device("SRV-01")
    site = make.site(make.client("Acme"), "Warehouse")
    values = {"name": "SRV-99", "role": "workstation", "site": site.pk, "notes": "mind the cable"}
    answer = _browser(technician).post(f"/devices/{device.public_id}/edit/", values)
    assert answer.status_code == 302
    device = _fresh(device)
    assert (device.name, device.role, device.site_id, device.notes) == (
        "SRV-99",
        "workstation",
        site.pk,
        "mind the cable",
    )
    entry = AuditEntry.objects.get(action="device.changed")
    assert entry.actor == technician
    assert entry.before["name"] == "SRV-01"


def test_a_site_of_another_client_is_no_choice(technician: User) -> None:
    device = _device("SRV-01")
    foreign = make.site(make.client("Rival"), "Their office")
    values = {"name": "SRV-01", "role": "server", "notes": ""}
    browser = _browser(technician)
    answer = browser.post(f"/devices/{device.public_id}/edit/", {**values, "site": foreign.pk})
    assert answer.status_code == 422
    answer = browser.patch(
        f"/api/v1/devices/{device.public_id}/",
        {"site": str(foreign.public_id)},
        content_type="application/json",
    )
    assert answer.status_code == 404
    assert _fresh(device).site_id == device.site_id


def test_retiring_ends_the_key(technician: User) -> None:
    device = _device("SRV-01")
    with acting_as(SYSTEM):
        DeviceKey.objects.create(client_id=device.client_id, device=device, public_key=bytes(32))
    answer = _browser(technician).post(
        f"/devices/{device.public_id}/retire/", {"reason": "scrapped"}
    )
    assert answer.status_code == 302
    with acting_as(SYSTEM):
        assert DeviceKey.objects.get().state == "revoked"
    assert _fresh(device).state == DeviceState.RETIRED
    assert AuditEntry.objects.get(action="device.retired").reason == "scrapped"


def test_approving_lets_a_waiting_device_report_once(technician: User) -> None:
    device = _device("SRV-01", state=DeviceState.PENDING)
    browser = _browser(technician)
    assert browser.post(f"/devices/{device.public_id}/approve/").status_code == 302
    assert _fresh(device).state == DeviceState.ACTIVE
    assert browser.post(f"/api/v1/devices/{device.public_id}/approve/").status_code == 409


@pytest.mark.parametrize("what", ["approve", "retire", "revoke-key"])
def test_nobody_changes_a_device_of_another_client(acme_only: User, what: str) -> None:
    device = _device("RIVAL-01", "Rival", state=DeviceState.PENDING)
    browser = _browser(acme_only)
    assert browser.post(f"/devices/{device.public_id}/{what}/").status_code == 404
    assert browser.post(f"/api/v1/devices/{device.public_id}/{what}/").status_code == 404
    assert _fresh(device).state == DeviceState.PENDING


# ---------------------------------------------------------------- tokens


def _token(label: str = "laptops", client: str = "Acme") -> tuple[EnrolmentToken, str]:
    with acting_as(SYSTEM):
        site = make.site(make.client(client))
        return services.make_enrolment_token(by=SYSTEM, site_id=site.pk, label=label)


def test_shows_a_token_once_with_the_line_to_run(technician: User, settings: Any) -> None:
    settings.PUBLIC_URL = "https://msp.example"
    site = make.site(make.client("Acme"))
    browser = _browser(technician)
    values = {"site": site.pk, "label": "laptops", "role": "", "max_uses": 3, "days": 7}
    answer = browser.post(reverse("agents:enrolment-new"), values)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    secret = answer.context["secret"]
    page = answer.content.decode()
    assert secret.startswith("msp_enrol_")
    assert f"printf %s {secret} &gt; msp-agent.token" in page
    assert "--server https://msp.example" in page
    assert secret not in browser.get("/enrolment/").content.decode()


def test_a_token_for_a_site_that_is_not_theirs_is_no_choice(acme_only: User) -> None:
    foreign = make.site(make.client("Rival"))
    browser = _browser(acme_only)
    values = {"site": foreign.pk, "label": "x", "role": "", "max_uses": 1, "days": 7}
    assert browser.post("/enrolment/new/", values).status_code == 422
    answer = browser.post(
        "/api/v1/enrolment-tokens/",
        {"site": str(foreign.public_id), "label": "x"},
        content_type="application/json",
    )
    assert answer.status_code == 422
    with acting_as(SYSTEM):
        assert EnrolmentToken.objects.count() == 0


def test_the_api_makes_lists_and_revokes_tokens(technician: User) -> None:
    site = make.site(make.client("Acme"))
    browser = _browser(technician)
    made = browser.post(
        "/api/v1/enrolment-tokens/",
        {"site": str(site.public_id), "label": "servers", "role": "server", "max_uses": 2},
        content_type="application/json",
    )
    assert made.status_code == 201
    assert made.json()["token"].startswith("msp_enrol_")
    (listed,) = browser.get("/api/v1/enrolment-tokens/").json()["results"]
    assert "token" not in listed
    url = f"/api/v1/enrolment-tokens/{made.json()['id']}/revoke/"
    assert browser.post(url).json()["revoked_at"]
    assert browser.post(url).status_code == 409


def test_nobody_revokes_another_clients_token(acme_only: User) -> None:
    token, _ = _token(client="Rival")
    browser = _browser(acme_only)
    assert browser.post(f"/enrolment/{token.public_id}/revoke/").status_code == 404
    assert browser.post(f"/api/v1/enrolment-tokens/{token.public_id}/revoke/").status_code == 404


def test_a_contact_finds_no_device_page(contact: User) -> None:
    device = _device("SRV-01")
    browser = _browser(contact)
    for url in ("/devices/", f"/devices/{device.public_id}/", "/enrolment/", "/api/v1/devices/"):
        assert browser.get(url).status_code == 404
