"""The pages of alerts and rules: right for those who may, absent for everybody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import Device
from monitoring import services
from monitoring.models import Alert, Rule, RuleVersion
from monitoring.selectors import alerts as selectors
from monitoring.selectors.alerts import group_id
from msp.core import clock
from msp.core.enums import GrantScope
from msp.core.models import User
from msp.core.scope import SystemPrincipal
from tests.factories import agents as agent_factories
from tests.factories import clients as client_factories
from tests.factories import core as core_factories
from tests.factories import monitoring as factories

pytestmark = pytest.mark.usefixtures("system")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def browser(technician: User) -> Browser:
    return signed_in(technician)


def signed_in(user: User) -> Browser:
    made = Browser()
    made.force_login(user)
    return made


def text(answer: Any) -> str:
    return answer.content.decode()


def restricted_to(name: str) -> User:
    """Return a technician who sees one client."""
    owner = client_factories.client(name)
    return core_factories.staff(
        "technician", email="tom@msp.example", scope=GrantScope.SET, client_ids=[owner.pk]
    )


def pages_of(alert: Alert) -> list[str]:
    """Return the addresses that show one alert."""
    return [
        reverse("monitoring:alert", args=[alert.public_id]),
        reverse("monitoring:group", args=[alert.rule.public_id, alert.client.public_id]),
        reverse("monitoring:device-panel", args=[alert.device.public_id]),
        reverse("monitoring:client-panel", args=[alert.client.public_id]),
        reverse("monitoring-api:alert", args=[alert.public_id]),
    ]


def test_the_list_shows_what_is_wrong_where_and_since_when(
    browser: Browser, server: Device
) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    page = text(browser.get(reverse("monitoring:alerts")))
    ticket = Alert.objects.get().ticket
    assert ticket is not None
    for words in ("Volume nearly full", "Acme", "SRV-01 /srv 93 %", str(ticket.number)):
        assert words in page


def test_an_empty_list_says_so(browser: Browser) -> None:
    assert "No alerts here." in text(browser.get(reverse("monitoring:alerts")))


def test_alerts_are_grouped_by_condition_and_client(browser: Browser, server: Device) -> None:
    rule = factories.rule()
    other = agent_factories.device(client_factories.client("Rival"), "SRV-02")
    for instance in ("/srv", "/data", "/home", "/var"):
        factories.alert(server, rule, instance=instance)
    factories.alert(other, rule)
    answer = browser.get(reverse("monitoring:alerts"))
    groups = answer.context["groups"]
    assert sorted((row.group.client.name, row.group.count) for row in groups) == [
        ("Acme", 4),
        ("Rival", 1),
    ]
    assert "and 1 more" in text(answer)


def test_the_worst_come_first(browser: Browser, server: Device) -> None:
    factories.alert(server, factories.rule("Mild", severity="info"), severity="info")
    factories.alert(server, factories.rule("Bad", severity="critical"), severity="critical")
    groups = browser.get(reverse("monitoring:alerts")).context["groups"]
    assert [row.group.rule.name for row in groups] == ["Bad", "Mild"]


def test_a_tab_shows_what_is_over(browser: Browser, server: Device) -> None:
    alert = factories.alert(server, factories.rule())
    services.clear_alert(alert, by=SystemPrincipal("tests"), at=clock.now())
    assert "93 % full" in text(browser.get(reverse("monitoring:alerts"), {"tab": "closed"}))
    assert "93 % full" not in text(browser.get(reverse("monitoring:alerts")))


def test_a_tab_shows_what_somebody_has_acknowledged(
    browser: Browser, server: Device, technician: User
) -> None:
    alert = factories.alert(server, factories.rule())
    services.acknowledge_alert(alert.public_id, by=technician)
    assert "SRV-01" in text(browser.get(reverse("monitoring:alerts"), {"tab": "acknowledged"}))
    assert "SRV-01" not in text(browser.get(reverse("monitoring:alerts")))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "srv-01"}, True),
        ({"q": "nothing like it"}, False),
        ({"severity": "warning"}, True),
        ({"severity": "critical"}, False),
        ({"severity": "nonsense"}, True),
        ({"page": "nonsense"}, True),
    ],
)
def test_the_list_is_filtered(
    browser: Browser, server: Device, query: dict[str, str], found: bool
) -> None:
    factories.alert(server, factories.rule())
    page = text(browser.get(reverse("monitoring:alerts"), query))
    assert ('id="alerts-' in page) is found


def test_a_hint_is_answered_with_the_row_of_its_group(browser: Browser, server: Device) -> None:
    rule = factories.rule()
    alert = factories.alert(server, rule)
    row = group_id(rule.pk, server.client_id)
    url = reverse("monitoring:alert-rows")
    page = text(browser.get(url, {"ids": f"{alert.public_id},{row}"}, headers=HTMX))
    assert page.count("<template>") == 1
    assert f'data-id="{row}"' in page
    assert 'hx-swap-oob="morph"' in page


def test_a_hint_about_what_is_not_in_the_list_is_answered_with_nothing(
    browser: Browser, server: Device
) -> None:
    rule = factories.rule()
    factories.alert(server, rule)
    row = group_id(rule.pk, server.client_id)
    url = reverse("monitoring:alert-rows")
    page = text(browser.get(url, {"ids": row, "severity": "critical"}, headers=HTMX))
    assert "<template>" not in page


def test_the_rows_without_ids_are_all_that_belongs_in_the_list(
    browser: Browser, server: Device
) -> None:
    factories.alert(server, factories.rule())
    page = text(browser.get(reverse("monitoring:alert-rows"), headers=HTMX))
    assert page.count("data-id=") == 1
    assert "<html" not in page


def test_acknowledging_by_a_form_leads_back_to_the_alert(browser: Browser, server: Device) -> None:
    alert = factories.alert(server, factories.rule())
    answer = browser.post(reverse("monitoring:acknowledge", args=[alert.public_id]), follow=True)
    assert answer.redirect_chain[0][1] == 302
    assert "Acknowledged" in text(answer)
    assert "Tess Technician" in text(answer)


def test_acknowledging_a_group_by_a_form_leads_back_to_the_list(
    browser: Browser, server: Device
) -> None:
    rule = factories.rule()
    factories.alert(server, rule)
    url = reverse("monitoring:acknowledge-group", args=[rule.public_id, server.client.public_id])
    assert browser.post(url).headers["Location"] == reverse("monitoring:alerts")
    assert Alert.objects.get().state == "acknowledged"


def test_nobody_is_led_elsewhere_after_acknowledging(browser: Browser, server: Device) -> None:
    alert = factories.alert(server, factories.rule())
    url = reverse("monitoring:acknowledge", args=[alert.public_id])
    answer = browser.post(url, {"next": "https://evil.example/"})
    assert answer.headers["Location"].startswith("/alerts/")


def test_the_page_of_an_alert_says_why_and_how_it_went_on(browser: Browser, server: Device) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    alert = Alert.objects.get()
    page = text(browser.get(reverse("monitoring:alert", args=[alert.public_id])))
    assert alert.ticket is not None
    for words in (
        "volume /srv is 93 % full, 7.0 GB free",
        "90 % or more",
        "below 85 %",
        "Firing",
        alert.ticket.subject,
        "alert-chart",
    ):
        assert words in page


@pytest.mark.parametrize("who", ["contact", "stranger"])
def test_people_of_clients_see_no_alert(
    server: Device, who: str, request: pytest.FixtureRequest
) -> None:
    alert = factories.alert(server, factories.rule())
    browser = signed_in(request.getfixturevalue(who))
    for url in [*pages_of(alert), reverse("monitoring:alerts"), reverse("monitoring:rules")]:
        assert browser.get(url).status_code == 404, url


def test_staff_of_other_clients_find_no_alert(server: Device) -> None:
    alert = factories.alert(server, factories.rule())
    browser = signed_in(restricted_to("Rival"))
    for url in pages_of(alert):
        assert browser.get(url).status_code == 404, url
    assert "SRV-01" not in text(browser.get(reverse("monitoring:alerts")))
    assert "SRV-01" not in text(browser.get(reverse("monitoring-api:alerts")))
    ids = {"ids": group_id(alert.rule_id, alert.client_id)}
    assert "SRV-01" not in text(browser.get(reverse("monitoring:alert-rows"), ids, headers=HTMX))
    for name, arguments in (
        ("monitoring:acknowledge", [alert.public_id]),
        ("monitoring:acknowledge-group", [alert.rule.public_id, alert.client.public_id]),
        ("monitoring-api:alert-acknowledge", [alert.public_id]),
    ):
        assert browser.post(reverse(name, args=arguments)).status_code == 404, name


def test_staff_of_one_client_see_its_alerts_only(server: Device) -> None:
    rule = factories.rule()
    factories.alert(server, rule)
    factories.alert(agent_factories.device(client_factories.client("Rival"), "SRV-02"), rule)
    page = text(signed_in(restricted_to("Acme")).get(reverse("monitoring:alerts")))
    assert "SRV-01" in page
    assert "SRV-02" not in page


def test_who_bills_sees_no_alerts(billing_clerk: User, server: Device) -> None:
    factories.alert(server, factories.rule())
    assert signed_in(billing_clerk).get(reverse("monitoring:alerts")).status_code == 403


def test_the_panels_show_the_alerts_of_device_ticket_and_client(
    browser: Browser, server: Device
) -> None:
    factories.rule()
    services.evaluate_group(factories.report(server, 0.93).pk)
    ticket = Alert.objects.get().ticket
    assert ticket is not None
    for name, key in (
        ("device", server.public_id),
        ("ticket", ticket.number),
        ("client", server.client.public_id),
    ):
        url = reverse(f"monitoring:{name}-panel", args=[key])
        page = text(browser.get(url, headers=HTMX))
        assert "93 % full" in page, name
        assert "<html" not in page


def many_alerts(server: Device, count: int) -> None:
    """Make alerts of many rules, devices and tickets, with what is known of their series."""
    owner = client_factories.client("Acme")
    for number in range(count):
        rule = factories.rule(f"Rule {number}", instance_pattern=f"/v{number}")
        device = agent_factories.device(owner, f"SRV-{number + 100}")
        services.evaluate_group(factories.report(device, factories.volume(f"/v{number}", 0.95)).pk)
        assert rule.pk


def queries(ask: Callable[[], Any]) -> int:
    ask()  # the first time also fills caches of content types, sessions and counts
    with CaptureQueriesContext(
        connection,
    ) as captured:
        answer = ask()
    assert answer.status_code == 200
    return len(captured)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("monitoring:alerts", {}),
        ("monitoring:alerts", {"tab": "closed"}),
        ("monitoring:alert-rows", {}),
        ("monitoring:rules", {}),
        ("monitoring-api:alerts", {}),
        ("monitoring-api:rules", {}),
    ],
)
def test_lists_ask_as_often_for_thirty_rows_as_for_three(
    browser: Browser, server: Device, name: str, query: dict[str, str]
) -> None:
    def ask() -> Any:
        return browser.get(reverse(name), query)

    many_alerts(server, 3)
    if "tab" in query:
        close_all()
    few = queries(ask)
    many_alerts_more(27)
    if "tab" in query:
        close_all()
    assert queries(ask) == few


def many_alerts_more(count: int) -> None:
    owner = client_factories.client("Acme")
    for number in range(count):
        rule = factories.rule(f"More {number}", instance_pattern=f"/m{number}")
        device = agent_factories.device(owner, f"MORE-{number}")
        services.evaluate_group(factories.report(device, factories.volume(f"/m{number}", 0.95)).pk)
        assert rule.pk


def close_all() -> None:
    for alert in Alert.objects.exclude(state="closed"):
        services.clear_alert(alert, by=SystemPrincipal("tests"), at=clock.now())


@pytest.mark.parametrize("page", ["device", "ticket", "client", "group"])
def test_panels_ask_as_often_for_twenty_alerts_as_for_three(
    browser: Browser, server: Device, page: str
) -> None:
    rule = factories.rule(opens_ticket=True)
    services.evaluate_group(factories.report(server, volumes(3)).pk)
    ticket = Alert.objects.all()[0].ticket
    assert ticket is not None
    url = {
        "device": reverse("monitoring:device-panel", args=[server.public_id]),
        "ticket": reverse("monitoring:ticket-panel", args=[ticket.number]),
        "client": reverse("monitoring:client-panel", args=[server.client.public_id]),
        "group": reverse("monitoring:group", args=[rule.public_id, server.client.public_id]),
    }[page]
    few = queries(lambda: browser.get(url))
    services.evaluate_group(factories.report(server, volumes(20)).pk)
    assert Alert.objects.count() == 20
    assert queries(lambda: browser.get(url)) == few


def volumes(count: int) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for number in range(count):
        found |= factories.volume(f"/v{number}", 0.95)
    return found


# ------------------------------------------------------------------------------------ rules

FORM = {
    "name": "Volume full",
    "metric": factories.USED,
    "client": "",
    "replaces": "",
    "roles": ["server"],
    "instance_pattern": "/srv*",
    "threshold": "92",
    "clear_threshold": "88.5",
    "free_below_gib": "10",
    "free_clear_gib": "12",
    "for_seconds": "5",
    "keep_firing_for_seconds": "0",
    "severity": "critical",
    "opens_ticket": "on",
    "is_enabled": "on",
}


def test_a_rule_is_made_in_per_cent_and_gib(service_manager: User) -> None:
    answer = signed_in(service_manager).post(reverse("monitoring:rule-new"), FORM)
    rule = Rule.objects.get()
    assert answer.headers["Location"] == reverse("monitoring:rule", args=[rule.public_id])
    version = RuleVersion.objects.get()
    assert (version.threshold, version.clear_threshold) == (0.92, 0.885)
    assert (version.free_below_bytes, version.free_clear_bytes) == (10 * 1024**3, 12 * 1024**3)
    assert (version.for_seconds, rule.roles, rule.instance_pattern) == (5, ["server"], "/srv*")


def test_a_rule_saved_unchanged_keeps_its_version(service_manager: User) -> None:
    browser = signed_in(service_manager)
    browser.post(reverse("monitoring:rule-new"), FORM)
    rule = Rule.objects.get()
    url = reverse("monitoring:rule", args=[rule.public_id])
    shown = browser.get(url).context["form"].initial
    browser.post(url, {key: shown.get(key, "") for key in FORM} | {"name": "Other"})
    rule.refresh_from_db()
    assert rule.name == "Other"
    assert RuleVersion.objects.count() == 1


def test_a_rule_changed_by_its_form_gets_a_version(service_manager: User) -> None:
    browser = signed_in(service_manager)
    browser.post(reverse("monitoring:rule-new"), FORM)
    url = reverse("monitoring:rule", args=[Rule.objects.get().public_id])
    browser.post(url, FORM | {"threshold": "95"})
    assert [row.threshold for row in RuleVersion.objects.order_by("number")] == [0.92, 0.95]
    assert "Version 2" in text(browser.get(url))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"clear_threshold": "99"}, "clear on the good side"),
        ({"free_clear_gib": ""}, "Give both sizes"),
        ({"name": ""}, "This field is required"),
        ({"client": "00000000-0000-4000-8000-000000000000"}, "valid choice"),
        ({"client": "nonsense"}, "valid choice"),
    ],
)
def test_a_wrong_rule_is_shown_again_with_the_reason(
    service_manager: User, change: dict[str, str], words: str
) -> None:
    answer = signed_in(service_manager).post(reverse("monitoring:rule-new"), FORM | change)
    assert answer.status_code == 422
    assert words in text(answer)
    assert not Rule.objects.exists()


def test_a_technician_reads_a_rule_and_may_not_change_it(browser: Browser) -> None:
    rule = factories.rule()
    url = reverse("monitoring:rule", args=[rule.public_id])
    page = text(browser.get(url))
    assert "90 % or more" in page
    assert '<form class="form"' not in page
    assert browser.post(url, FORM).status_code == 403
    assert browser.get(reverse("monitoring:rule-new")).status_code == 403


def test_the_rule_of_another_client_is_not_found() -> None:
    rule = factories.rule("Theirs", client_id=client_factories.client("Rival").pk)
    browser = signed_in(restricted_to("Acme"))
    assert browser.get(reverse("monitoring:rule", args=[rule.public_id])).status_code == 404
    assert "Theirs" not in text(browser.get(reverse("monitoring:rules")))
    assert browser.get(reverse("monitoring-api:rule", args=[rule.public_id])).status_code == 404


def test_the_preview_counts_matching_devices(
    service_manager: User, server: Device, workstation: Device
) -> None:
    browser = signed_in(service_manager)
    url = reverse("monitoring:rule-matches")
    assert "2 devices" in text(browser.get(url, {"metric": factories.USED}))
    assert "1 device" in text(browser.get(url, {"metric": factories.USED, "roles": "server"}))
    assert "1 device" in text(browser.get(url, {"metric": "msp.device.silence"}))
    rival = client_factories.client("Rival")
    assert "0 devices" in text(
        browser.get(url, {"metric": factories.USED, "client": str(rival.public_id)})
    )


def test_the_default_rules_are_offered_where_they_are_missing(service_manager: User) -> None:
    browser = signed_in(service_manager)
    assert "Add them" in text(browser.get(reverse("monitoring:rules")))
    browser.post(reverse("monitoring:rules-default"))
    page = text(browser.get(reverse("monitoring:rules")))
    assert "Server offline" in page
    assert "Add them" not in page


def test_closed_alerts_come_in_pages(
    browser: Browser, server: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "CLOSED_PAGE", 2)
    rule = factories.rule()
    for number in range(3):
        alert = factories.alert(server, rule, instance=f"/v{number}")
        services.clear_alert(alert, by=SystemPrincipal("tests"), at=clock.now())
    first = browser.get(reverse("monitoring:alerts"), {"tab": "closed"})
    assert [row.alert.instance for row in first.context["closed"]] == ["/v2", "/v1"]
    second = browser.get(first.context["next_url"])
    assert [row.alert.instance for row in second.context["closed"]] == ["/v0"]
    assert second.context["next_url"] == ""


def test_groups_come_in_pages(
    browser: Browser, server: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "PAGE", 1)
    factories.alert(server, factories.rule("First", severity="critical"), severity="critical")
    factories.alert(server, factories.rule("Second"))
    first = browser.get(reverse("monitoring:alerts"))
    second = browser.get(first.context["next_url"])
    names = [[row.group.rule.name for row in page.context["groups"]] for page in (first, second)]
    assert names == [["First"], ["Second"]]
    assert second.context["prev_url"]


def test_the_list_of_a_client_names_it(browser: Browser, server: Device) -> None:
    factories.alert(server, factories.rule())
    url = reverse("monitoring:alerts")
    page = text(browser.get(url, {"client": str(server.client.public_id)}))
    assert "Remove filter client" in page
    assert "SRV-01" in page
    absent = {"client": "00000000-0000-4000-8000-000000000000"}
    assert browser.get(url, absent).status_code == 404


def test_the_page_of_a_silent_server_has_no_chart(browser: Browser, server: Device) -> None:
    rule = factories.rule(
        "Silent", metric="msp.device.silence", figures=services.Figures(300, 300, for_seconds=0)
    )
    alert = factories.alert(server, rule, instance="")
    page = text(browser.get(reverse("monitoring:alert", args=[alert.public_id])))
    assert "Silence since the last report" in page
    assert "alert-chart" not in page


def test_a_metric_that_is_not_in_the_catalogue_is_shown_by_its_name(
    browser: Browser, server: Device
) -> None:
    factories.rule("Odd", metric="msp.odd", figures=services.Figures(5, 4, for_seconds=0))
    services.evaluate_group(factories.report(server, {("msp.odd", "x"): 7.0}).pk)
    assert Alert.objects.get().summary == "msp.odd x is 7"
    assert "msp.odd" in text(browser.get(reverse("monitoring:rules")))
