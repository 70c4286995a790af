"""The API of alerts and rules."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from agents.models import Device
from monitoring import services, tasks
from monitoring.models import Alert, Rule
from msp.celery import app
from msp.core import clock
from msp.core.models import User
from msp.core.scope import SystemPrincipal
from tests.factories import clients as client_factories
from tests.factories import monitoring as factories

pytestmark = pytest.mark.usefixtures("system")
FIGURES = {"threshold": 0.92, "clear_threshold": 0.88, "for_seconds": 5}
RULES = "/api/v1/rules/"


def signed_in(user: User) -> Browser:
    made = Browser()
    made.force_login(user)
    return made


def send(browser: Browser, method: str, url: str, body: dict[str, Any]) -> Any:
    return getattr(browser, method)(url, body, content_type="application/json")


def test_alerts_are_listed_with_their_tickets(technician: User, server: Device) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    rows = signed_in(technician).get("/api/v1/alerts/").json()["results"]
    alert = Alert.objects.get()
    assert alert.ticket is not None
    assert len(rows) == 1
    assert rows[0]["id"] == str(alert.public_id)
    assert rows[0]["ticket"] == alert.ticket.number
    assert (rows[0]["instance"], rows[0]["metric"], rows[0]["state"]) == (
        "/srv",
        factories.USED,
        "open",
    )


def test_an_alert_is_acknowledged(technician: User, server: Device) -> None:
    alert = factories.alert(server, factories.rule())
    answer = signed_in(technician).post(f"/api/v1/alerts/{alert.public_id}/acknowledge/")
    assert (answer.status_code, answer.json()["state"]) == (200, "acknowledged")


def test_an_alert_that_is_over_is_a_conflict(technician: User, server: Device) -> None:
    alert = factories.alert(server, factories.rule())
    services.clear_alert(alert, by=SystemPrincipal("tests"), at=clock.now())
    answer = signed_in(technician).post(f"/api/v1/alerts/{alert.public_id}/acknowledge/")
    assert (answer.status_code, answer.json()["code"]) == (409, "alert_closed")


def test_a_rule_is_made_and_changed(service_manager: User) -> None:
    browser = signed_in(service_manager)
    acme = client_factories.client("Acme")
    made = send(
        browser,
        "post",
        RULES,
        {
            "name": "Quick",
            "metric": factories.USED,
            "client": str(acme.public_id),
            "figures": FIGURES,
        },
    )
    assert made.status_code == 201
    body = made.json()
    assert (body["version"], body["figures"]["for_seconds"]) == (1, 5)
    url = f"{RULES}{body['id']}/"
    changed = send(browser, "patch", url, {"figures": FIGURES | {"threshold": 0.95}})
    assert (changed.json()["version"], changed.json()["figures"]["threshold"]) == (2, 0.95)
    named = send(browser, "patch", url, {"name": "Quicker"})
    assert (named.json()["version"], named.json()["name"]) == (2, "Quicker")


def test_a_wrong_rule_is_bad_input(service_manager: User) -> None:
    wrong = {"name": "Quick", "metric": factories.USED, "figures": FIGURES | {"threshold": 0.5}}
    answer = send(signed_in(service_manager), "post", RULES, wrong)
    assert answer.status_code == 422
    assert "clear_threshold" in answer.json()["fields"]


def test_a_technician_reads_rules_and_makes_none(technician: User) -> None:
    rule = factories.rule()
    browser = signed_in(technician)
    assert [row["id"] for row in browser.get(RULES).json()["results"]] == [str(rule.public_id)]
    body = {"name": "Quick", "metric": factories.USED, "figures": FIGURES}
    assert send(browser, "post", RULES, body).status_code == 403
    assert send(browser, "patch", f"{RULES}{rule.public_id}/", {"name": "x"}).status_code == 403


@pytest.mark.parametrize("who", ["contact", "stranger"])
def test_people_of_clients_find_no_api_of_ours(
    server: Device, who: str, request: pytest.FixtureRequest
) -> None:
    alert = factories.alert(server, factories.rule())
    browser = signed_in(request.getfixturevalue(who))
    for name, arguments in (
        ("alerts", []),
        ("alert", [alert.public_id]),
        ("rules", []),
        ("rule", [alert.rule.public_id]),
    ):
        url = reverse(f"monitoring-api:{name}", args=arguments)
        assert browser.get(url).status_code == 404, name


def test_a_client_not_seen_is_no_client_for_a_rule(service_manager: User) -> None:
    absent = "00000000-0000-4000-8000-000000000000"
    body = {"name": "Q", "metric": factories.USED, "client": absent, "figures": FIGURES}
    assert send(signed_in(service_manager), "post", RULES, body).status_code == 404
    assert not Rule.objects.exists()


def test_the_tasks_of_the_beat_exist_and_do_their_work(server: Device) -> None:
    factories.rule()
    group = factories.report(server, 0.93)
    assert tasks.evaluate([group.pk]) == 1
    assert tasks.evaluate_due() == 0
    assert tasks.sweep_silence() == 0
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    ours = {"monitoring.evaluate_due", "monitoring.sweep_silence"}
    assert ours <= scheduled
    assert ours | {"monitoring.evaluate"} <= set(app.tasks)
