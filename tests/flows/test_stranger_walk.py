"""Every route, as people who have no business there: nothing of Acme is told, changed or linked.

Acme owns one of everything, with a canary in every text. A rival client's contact, a colleague
without rights and an administrator who is restricted to the rival try each route and method with
Acme's ids; every answer must be, byte for byte, that for an id that does not exist. Then valid
forms and API bodies are sent with Acme's ids in their relational fields. A new route, form or
serializer that this walk does not know fails it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.db import DatabaseError, connection, models, transaction
from django.http import HttpResponse
from django.test import Client as Browser
from rest_framework import serializers

from clients.models import Client, Contact
from clients.services import ensure_defaults
from monitoring.models import Rule, RuleVersion
from msp.core import clock
from msp.core.access import Who, routes
from msp.core.models import AuditEntry, Blob, Delivery, Notification, User
from msp.core.scope import SystemPrincipal, acting_as
from msp.core.tenancy import Tenancy
from tests import walk
from tests.core.test_tenancy import MAY_CROSS
from tests.factories import billing as make_billing
from tests.factories import clients as make
from tests.factories import core as make_staff
from tests.factories import estate as estates
from tests.factories.estate import NOW, Estate

CANARY, RIVAL = "zqxcanary", "qrvrival"
PERIOD = walk.PERIOD
SYSTEM = SystemPrincipal("walk")
#: The key in the address is a secret of the person it was mailed to.
BY_SECRET = frozenset({"account_reset_password_from_key"})
#: Words that no client is told, whoever asks, and what a colleague without rights is not told.
STAFF_ONLY = [f"note {CANARY}", f"Looked {CANARY}", f"Timed {CANARY}", f"SRV-pending-{CANARY}"]
NOT_FOR_COLLEAGUES = [
    *STAFF_ONLY, f"Says {CANARY}", f"public {CANARY}", f"Solved {CANARY}", f"Drove {CANARY}",
    f"SRV-active-{CANARY}", f"Fee {CANARY}", f"PO {CANARY}",
]  # fmt: skip
#: Columns that stay without the canary in Acme's rows, and why.
NO_CANARY = {
    "tickets.ClockEvent.by_label": "names of our own people and programs",
    "tickets.ClockEvent.reason": "a word of a closed set",
    "tickets.Message.author_label": "names of our own people and programs",
    "billing.DraftLine.exception_text": "nothing is exceptional",
    "billing.DraftLine.drop_reason": "nothing is left out",
    "billing.Invoice.pdf_problem": "the PDF was made",
    "billing.CreditNote.pdf_problem": "the PDF was made",
}


@dataclass
class World:
    """Two rival clients and everybody who walks."""

    acme: Estate
    rival: Estate
    second: Client
    people: dict[str, User]
    asked: int = 0
    sessions: dict[str, str] = field(default_factory=dict)

    def ask(
        self, who: str, method: str, address: str, data: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        """Send one request: JSON to the API, a form elsewhere. Signing out lasts for none."""
        self.asked += 1
        browser = Browser(raise_request_exception=False)
        browser.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[who]
        if method == "GET":
            return browser.get(address, data or {})
        if address.startswith("/api/"):
            return browser.generic(
                method, address, json.dumps(data or {}), content_type="application/json"
            )
        return browser.post(address, data or {})


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Build both estates once and sign everybody in; tests take back what they write."""
    refusals = logging.getLogger("django.request")
    level = refusals.level
    refusals.setLevel(logging.ERROR)  # thousands are what this is about
    with django_db_blocker.unblock(), transaction.atomic():
        worker = make_staff.staff("service_manager", email="wes@msp.example", name="Wes Worker")
        acme = estates.estate("Acme", CANARY, worker=worker)
        rival = estates.estate("Rival", RIVAL, worker=worker)
        second = make.client("Rival Two")
        make_billing.price()
        with acting_as(SYSTEM):
            ensure_defaults(SYSTEM)
        people = {
            "stranger": rival.manager,
            "colleague": acme.colleague,
            "restricted": estates.staff_of([rival.client.pk, second.pk]),
            "manager": acme.manager,
            "administrator": make_staff.staff(
                "administrator", email="ada@msp.example", name="Ada Admin"
            ),
        }
        made = World(acme, rival, second, people)
        for who, user in people.items():
            browser = Browser()
            browser.force_login(user)
            made.sessions[who] = browser.cookies[settings.SESSION_COOKIE_NAME].value
        with clock.at(NOW):
            yield made
        transaction.set_rollback(True)
    refusals.setLevel(level)
    print(f"\nThe stranger walk: {made.asked} requests.")


# ------------------------------------------------------------------------------------- addresses


def of_clients() -> Iterator[tuple[str, str]]:
    """Yield every route with an object of a client, once for each of its methods."""
    for name, entry in sorted(routes().items()):
        if walk.parameters(name) and name not in walk.OURS | BY_SECRET:
            for method in sorted(entry.methods):
                yield name, method


def without_object() -> Iterator[tuple[str, str]]:
    """Yield every route without parameters, once for each of its methods."""
    for name, entry in sorted(routes().items()):
        if Who.AGENT not in entry.who and (not walk.parameters(name) or name in walk.OURS):
            for method in sorted(entry.methods):
                yield name, method


# ---------------------------------------------------------------------------- what must not change


def state_of(client: Client) -> dict[str, list[Any]]:
    """Return every row of a client, and every row about it."""
    with acting_as(SYSTEM):
        tables = estates.owned(client)
        tables.append((Rule, Rule.objects.filter(client=client)))
        tables.append((RuleVersion, RuleVersion.objects.filter(rule__client=client)))
        for model in (Blob, Notification, AuditEntry, Delivery):
            tables.append((model, model._default_manager.filter(client_id=client.pk)))
        return {
            model._meta.label: [
                tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)
                for row in rows.order_by("pk").values_list()
            ]
            for model, rows in tables
        }


def links_to(client: Client) -> list[str]:
    """Return rows of others that point at a row of this client."""
    found = []
    with acting_as(SYSTEM):
        own = {model: set(rows.values_list("pk", flat=True)) for model, rows in _keyed(client)}
        for model in {*own, RuleVersion, Contact}:
            for key in model._meta.concrete_fields:
                target = key.related_model
                if not key.is_relation or target not in own or model is RuleVersion:
                    continue
                rows = model._default_manager.filter(**{f"{key.attname}__in": own[target]})
                if model is Client:
                    rows = rows.exclude(pk=client.pk)
                elif hasattr(model, "client_id"):
                    rows = rows.exclude(client_id=client.pk)
                found += [f"{model._meta.label}.{key.name} of {row.pk}" for row in rows]
    return found


def _keyed(client: Client) -> list[tuple[type[models.Model], models.QuerySet[Any]]]:
    tables = [*estates.owned(client), (Rule, Rule.objects.filter(client=client))]
    return [(model, rows) for model, rows in tables if not isinstance(model._meta.pk, tuple)]


@contextmanager
def undone() -> Iterator[None]:
    """Take back whatever the requests inside have written."""
    point = transaction.savepoint()
    try:
        yield
    finally:
        transaction.savepoint_rollback(point)


def words_of(answer: HttpResponse) -> str:
    return bytes(getattr(answer, "content", b"")).decode(errors="replace")


# ------------------------------------------------------------------------------------- the walk


@pytest.mark.parametrize("who", ["stranger", "restricted", "colleague"])
def test_foreign_is_the_same_as_absent(world: World, who: str) -> None:
    before = state_of(world.acme.client)
    faults = []
    for name, method in of_clients():
        with undone():
            for body in [{}] if method == "GET" else [{}, WORDS]:
                absent = world.ask(who, method, walk.address(name, {"period": PERIOD}), body)
                # A body that is wrong in itself may be refused before its object is looked for.
                wanted = {403, 404, 405} | ({400, 422} if body == {} else set())
                for arguments in walk.objects(name, world.acme):
                    answer = world.ask(who, method, walk.address(name, arguments), body)
                    if answer.status_code not in wanted:
                        faults.append(f"{method} {name}: {answer.status_code}")
                    elif _told(answer) != _told(absent):
                        faults.append(f"{method} {name}: not the answer for an absent id")
            if method != "GET" and state_of(world.acme.client) != before:
                faults.append(f"{method} {name}: changed a row of Acme")
    assert faults == []
    assert state_of(world.acme.client) == before


def _told(answer: HttpResponse) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Return all that an answer tells: status, bytes and headers but the request's own id."""
    headers = sorted((k, v) for k, v in answer.headers.items() if k != "X-Request-Id")
    return answer.status_code, bytes(answer.content), headers


def test_the_addresses_of_the_walk_are_right(world: World) -> None:
    """Who may, finds them: or a mistake in an address would pass for a refusal."""
    faults = []
    for name, method in of_clients():
        who = "manager" if Who.STAFF not in routes()[name].who else "administrator"
        statuses = set()
        with undone():
            for arguments in walk.objects(name, world.acme):
                with undone():
                    address = walk.address(name, arguments)
                    statuses.add(world.ask(who, method, address).status_code)
        if statuses <= {403, 404, 405} or max(statuses) >= 500:
            faults.append(f"{method} {name}: {sorted(statuses)}")
    assert faults == []


@pytest.mark.parametrize(
    ("who", "secrets"),
    [
        ("stranger", [CANARY]),
        ("restricted", [CANARY]),
        ("colleague", NOT_FOR_COLLEAGUES),
        ("manager", STAFF_ONLY),
    ],
)
def test_no_page_says_a_word_of_it(world: World, who: str, secrets: list[str]) -> None:
    ids = _foreign_words(world.acme)
    faults = []
    for name, method in without_object():
        address = walk.address(name, walk.ours(name))
        for query in [{}, *ids] if method == "GET" else [{}]:
            with undone():
                answer = world.ask(who, method, address, query)
            if answer.status_code >= 500:
                faults.append(f"{method} {name} {query}: {answer.status_code}")
            text = words_of(answer)
            faults += [f"{method} {name} {query}: {word}" for word in secrets if word in text]
    with undone():
        for name, method in of_clients():
            own = world.acme if who in ("colleague", "manager") else world.rival
            for arguments in walk.objects(name, own):
                with undone():
                    text = words_of(world.ask(who, method, walk.address(name, arguments)))
                faults += [
                    f"{method} {name} of one's own: {word}" for word in secrets if word in text
                ]
    assert faults == []


def _foreign_words(acme: Estate) -> list[dict[str, str]]:
    """Return query strings that name things of Acme."""
    ids = ",".join(str(row.public_id) for row in [*acme.tickets, *acme.alerts, acme.client])
    cursors = ",".join(str(row.pk) for row in acme.tickets)
    one = {
        "client": str(acme.client.public_id), "contact": str(acme.contact.public_id),
        "site": str(acme.site.public_id), "device": str(acme.devices[0].public_id),
        "rule": str(acme.rule.public_id), "contract": str(acme.contract.public_id),
    }  # fmt: skip
    keys = {
        "client": str(acme.client.pk), "contact": str(acme.contact.pk), "site": str(acme.site.pk),
        "device": str(acme.devices[0].pk),
    }  # fmt: skip
    # A part of the canary: a search shows the words it was asked for.
    return [
        {"ids": ids}, one, {**keys, "ids": cursors, "view": "all"},
        {"q": CANARY[:7], "show": "done", "state": "any", "tab": "closed"},
        {"after": str(acme.tickets[0].public_id), "view": "waiting", "tab": "acknowledged"},
    ]  # fmt: skip


# --------------------------------------------------------------------------- ids inside of bodies


@dataclass(frozen=True)
class Case:
    """A body that works with one's own ids; `links` maps its relational fields to Acme's."""

    route: str
    body: Callable[[World], dict[str, Any]]
    links: Callable[[World], dict[str, list[Any]]]
    who: str = "restricted"
    method: str = "POST"
    arguments: Callable[[Estate], dict[str, object]] | None = None


def _site(world: World) -> dict[str, list[Any]]:
    return {"site": _both(world.acme.site)}


def _both(row: Any) -> list[Any]:
    """Return a row as people and programs may name it."""
    return [str(row.public_id), row.pk]


def _ticket_body(world: World) -> dict[str, Any]:
    of = world.rival
    return {
        "client": str(of.client.public_id), "subject": "Subject", "body": "Body",
        "kind": "incident", "impact": "low", "urgency": "medium",
        "contact": str(of.contact.public_id), "site": str(of.site.public_id),
        "device": str(of.devices[0].public_id),
    }  # fmt: skip


def _ticket_links(world: World) -> dict[str, list[Any]]:
    of = world.acme
    return {
        "client": _both(of.client), "contact": _both(of.contact), "site": _both(of.site),
        "device": _both(of.devices[0]),
    }  # fmt: skip


_FIGURES = {"threshold": 90, "clear_threshold": 80, "for_seconds": 60, "keep_firing_for_seconds": 0}
_METRIC = "system.filesystem.utilization"
#: A value for every name that no relation hides behind, so that most bodies are valid.
WORDS: dict[str, Any] = {
    "name": "Name", "subject": "Subject", "body": "Body", "label": "Label", "note": "Note",
    "reason": "Reason", "resolution": "Done", "kind": "note", "minutes": 5, "notes": "",
    "work_type": "remote", "email": "x@rival.example", "role": "server", "roles": ["employee"],
    "period": PERIOD, "status": "in_progress", "priority": "p2", "after": "", "max_uses": 1,
    "days": 7, "metric": _METRIC, "severity": "warning", "invoice_name": "Ltd", "address": "Road",
    "tax_percent": "23", "payment_days": 30, "amount": "5", "from_on": "2026-12-01",
    "price_per_hour": "90", "starts_on": "2026-01-01", "ends_on": "2027-01-01",
    "increment_minutes": 15, "minimum_minutes": 0, "state": "active", "zone": "Europe/Dublin",
    "country": "IE", "currency": "EUR", "clause": "1", **_FIGURES,
}  # fmt: skip

CASES = [
    Case(
        "agents:edit",
        lambda w: {"name": "New", "role": "server", "site": w.rival.site.pk, "notes": ""},
        _site,
    ),
    Case(
        "agents:enrolment-new",
        lambda w: {"site": w.rival.site.pk, "label": "New", "max_uses": 1, "days": 7},
        _site,
    ),
    Case(
        "agents-api:device", lambda w: {"site": str(w.rival.site.public_id)}, _site, method="PATCH"
    ),
    Case(
        "agents-api:tokens", lambda w: {"site": str(w.rival.site.public_id), "label": "New"}, _site
    ),
    Case(
        "clients:contact-new",
        lambda w: {
            "name": "New", "email": "new@rival.example", "roles": ["employee"],
            "site": str(w.rival.site.public_id),
        },
        _site,
    ),
    Case(
        "clients:contact-edit",
        lambda w: {
            "name": "New", "email": "new@rival.example", "roles": ["employee"],
            "site": str(w.rival.site.public_id),
        },
        _site,
    ),
    Case(
        "clients:merge",
        lambda w: {"into": str(w.second.public_id), "reason": "Bought"},
        lambda w: {"into": _both(w.acme.client)},
    ),
    Case(
        "clients-api:client-contacts",
        lambda w: {
            "name": "New", "email": "new@rival.example", "site": str(w.rival.site.public_id)
        },
        _site,
    ),
    Case(
        "clients-api:contact", lambda w: {"site": str(w.rival.site.public_id)}, _site,
        method="PATCH",
    ),
    Case(
        "clients-api:client-merge",
        lambda w: {"into": str(w.second.public_id), "reason": "Bought"},
        lambda w: {"into": _both(w.acme.client)},
    ),
    Case(
        "billing-api:invoices",
        lambda w: {"client": str(w.rival.client.public_id), "period": PERIOD + "-01"},
        lambda w: {"client": _both(w.acme.client)},
    ),
    Case(
        "billing-api:credit",
        lambda w: {"reason": "Sorry", "amounts": _amounts(w.rival), "token": "t"},
        lambda w: {"amounts": [_amounts(w.acme)]},
        arguments=lambda of: {"public_id": of.invoices[0].public_id},
    ),
    Case(
        "monitoring:rule-new",
        lambda w: {
            "name": "New", "metric": _METRIC, "client": str(w.rival.client.public_id),
            "severity": "warning", "opens_ticket": "on", "is_enabled": "on", **_FIGURES,
        },
        lambda w: {"client": _both(w.acme.client), "replaces": _both(w.acme.rule)},
    ),
    Case(
        "monitoring-api:rules",
        lambda w: {
            "name": "New", "metric": _METRIC, "client": str(w.rival.client.public_id),
            "severity": "warning", "figures": {"threshold": 0.9, "clear_threshold": 0.8},
        },
        lambda w: {"client": _both(w.acme.client), "replaces": _both(w.acme.rule)},
    ),
    Case("tickets:new", _ticket_body, _ticket_links),
    Case(
        "tickets:move",
        lambda w: {"client": str(w.second.public_id), "reason": "Theirs"},
        lambda w: {"client": _both(w.acme.client)},
    ),
    Case(
        "tickets:assign",
        lambda w: {"owner": w.people["restricted"].pk},
        lambda w: {"owner": [w.acme.manager.pk, w.acme.colleague.pk]},
    ),
    Case(
        "tickets-api:assign",
        lambda w: {"owner": str(w.people["restricted"].public_id)},
        lambda w: {"owner": [str(w.acme.manager.public_id)]},
    ),
    Case(
        "tickets-api:tickets",
        lambda w: {**_ticket_body(w), **_texts(w)},
        _ticket_links,
    ),
    Case(
        "portal:client-choose",
        lambda w: {"client": str(w.rival.client.public_id)},
        lambda w: {"client": _both(w.acme.client)},
        who="stranger",
    ),
]  # fmt: skip


def _texts(world: World) -> dict[str, str]:
    of = world.rival
    return {
        "contact": str(of.contact.public_id), "site": str(of.site.public_id),
        "device": str(of.devices[0].public_id),
    }  # fmt: skip


def _amounts(of: Estate) -> dict[str, str]:
    """Return a cent of a line that has something left to give back."""
    with acting_as(SYSTEM):
        line = of.invoices[0].lines.filter(amount__gt=2)[0]
        return {str(line.public_id): "0.01"}


#: Where a relational field is sent by one of the cases above, or holds nothing of a client's.
RELATIONS = {
    "agents.DeviceForm.site": "agents:edit",
    "agents.TokenForm.site": "agents:enrolment-new",
    "agents.DeviceIn.site": "agents-api:device",
    "agents.TokenIn.site": "agents-api:tokens",
    "billing.DraftIn.client": "billing-api:invoices",
    "clients.ClientForm.priority_matrix": "",
    "clients.ContactForm.site": "clients:contact-new",
    "clients.ContractForm.policy": "",
    "clients.ContractForm.calendar": "",
    "clients.MergeForm.into": "clients:merge",
    "clients.SiteForm.calendar": "",
    "clients.ContactIn.site": "clients-api:contact",
    "clients.ContractIn.policy": "",
    "clients.ContractIn.calendar": "",
    "clients.SiteIn.calendar": "",
    "clients.MergeIn.into": "clients-api:client-merge",
    # These two narrow a GET; the pages are asked with Acme's ids above.
    "monitoring.AlertFilterForm.client": "",
    "monitoring.MatchForm.client": "",
    "monitoring.RuleForm.client": "monitoring:rule-new",
    "monitoring.RuleForm.replaces": "monitoring:rule-new",
    "monitoring.AddRuleSerializer.client": "monitoring-api:rules",
    "monitoring.AddRuleSerializer.replaces": "monitoring-api:rules",
    "tickets.AssignForm.owner": "tickets:assign",
    "tickets.MoveForm.client": "tickets:move",
    "tickets.TicketForm.contact": "tickets:new",
    "tickets.TicketForm.site": "tickets:new",
    "tickets.TicketForm.device": "tickets:new",
    "tickets.TicketForm.owner": "tickets:assign",
    "tickets.AssignCommand.owner": "tickets-api:assign",
    "tickets.OpenCommand.client": "tickets-api:tickets",
    "tickets.OpenCommand.contact": "tickets-api:tickets",
    "tickets.OpenCommand.site": "tickets-api:tickets",
    "tickets.OpenCommand.device": "tickets-api:tickets",
}
#: Integers in forms are numbers of something, unless they are called so.
_KEY_NAMES = re.compile(r"(_id|owner|client|site|contact|device|contract|rule|ticket|invoice)$")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method} {case.route}")
def test_foreign_ids_in_a_body_change_and_link_nothing(world: World, case: Case) -> None:
    own = case.arguments or (lambda of: next(iter(walk.objects(case.route, of)), {}))
    arguments = own(world.rival) if walk.parameters(case.route) else {}
    address = walk.address(case.route, arguments)
    with undone():
        answer = world.ask(case.who, case.method, address, case.body(world))
        assert answer.status_code in (200, 201, 302), words_of(answer)
    before, rivals = state_of(world.acme.client), state_of(world.rival.client)
    for name, values in case.links(world).items():
        for value in values:
            with undone():
                answer = world.ask(case.who, case.method, address, case.body(world) | {name: value})
                where = f"{name}={value}"
                assert answer.status_code in (400, 403, 404, 409, 422), where
                assert CANARY not in words_of(answer), where
                assert state_of(world.acme.client) == before, where
                assert state_of(world.rival.client) == rivals, where
                assert links_to(world.acme.client) == [], where


def test_foreign_ids_anywhere_change_and_link_nothing(world: World) -> None:
    """Bodies full of Acme's ids, under every name there is, to every route that takes one."""
    before = state_of(world.acme.client)
    faults = []
    bodies = [_stuffed(world, key) for key in ("public_id", "pk")]
    for name, entry in sorted(routes().items()):
        if Who.AGENT in entry.who or name in BY_SECRET | {"account_logout"}:
            continue
        arguments: dict[str, object] = walk.ours(name)
        if not arguments and walk.parameters(name):
            arguments = walk.objects(name, world.rival)[0]
        for method in sorted(entry.methods - {"GET"}):
            who = "restricted" if Who.STAFF in entry.who else "stranger"
            with undone():
                for body in bodies:
                    answer = world.ask(who, method, walk.address(name, arguments), body)
                    if answer.status_code >= 500:
                        faults.append(f"{method} {name}: {answer.status_code}")
                    if CANARY in words_of(answer):
                        faults.append(f"{method} {name}: says a word of it")
                if state_of(world.acme.client) != before:
                    faults.append(f"{method} {name}: changed a row of Acme")
                faults += [f"{method} {name}: {link}" for link in links_to(world.acme.client)]
    assert faults == []


def _stuffed(world: World, key: str) -> dict[str, Any]:
    of = world.acme
    rows = {
        "client": of.client, "site": of.site, "contact": of.contact, "contract": of.contract,
        "device": of.devices[0], "token": of.token, "ticket": of.tickets[0], "rule": of.rule,
        "alert": of.alerts[0], "invoice": of.invoices[0], "line": of.draft_lines[0],
        "contract_line": of.contract_line, "time_entry": of.time_entries[0],
        "owner": of.manager, "user": of.manager, "person": of.manager, "into": of.client,
        "replaces": of.rule, "parent": of.tickets[0], "moved_from": of.tickets[0],
        "merged_into": of.client,
    }  # fmt: skip
    ids = {}
    for name, row in rows.items():
        value = str(row.public_id) if key == "public_id" else row.pk
        ids |= {name: value, f"{name}_id": value}
    return {**WORDS, "number": of.tickets[0].number, **ids}


# -------------------------------------------------------------------- that nothing escapes the walk


def test_acme_owns_one_of_everything_with_the_canary_in_it(world: World) -> None:
    bare, empty = set(), []
    with acting_as(SYSTEM):
        for model, rows in estates.owned(world.acme.client):
            if not rows.exists():
                empty.append(model._meta.label)
            bare |= {
                f"{model._meta.label}.{name}"
                for name in estates.word_fields(model)
                if not rows.filter(**{f"{name}__contains": CANARY}).exists()
            }
    assert empty == []
    assert bare == set(NO_CANARY)


def test_every_relational_field_of_a_form_is_known(world: World) -> None:
    found = set()
    for kind in _all(forms.BaseForm):
        for name, part in getattr(kind, "base_fields", {}).items():
            is_key = isinstance(part, forms.IntegerField) and _KEY_NAMES.search(name)
            if is_key or isinstance(part, forms.ModelChoiceField | forms.UUIDField):
                found.add(f"{_app(kind)}.{kind.__name__}.{name}")
    for kind in _all(serializers.Serializer):
        if _reads(kind):
            continue
        for name, part in kind().fields.items():
            if isinstance(part, serializers.UUIDField | serializers.RelatedField):
                found.add(f"{_app(kind)}.{kind.__name__}.{name}")
    assert found == set(RELATIONS)
    routes_of_cases = {case.route for case in CASES}
    assert set(RELATIONS.values()) - {""} <= routes_of_cases


def _all(kind: type) -> list[type]:
    rooms = ("clients", "agents", "tickets", "monitoring", "billing", "msp", "security", "vendors")
    below = [one for sub in kind.__subclasses__() for one in [sub, *_all(sub)]]
    return sorted(
        {one for one in below if one.__module__.split(".")[0] in rooms},
        key=lambda one: one.__name__,
    )


def _app(kind: type) -> str:
    return kind.__module__.split(".")[0]


def _reads(kind: type) -> bool:
    """Tell whether a serializer is for reading, by its name: `ClientOut`, `TicketSerializer`."""
    name = kind.__name__
    return name != "AddRuleSerializer" and name.endswith(("Out", "Serializer", "Reference"))


def test_the_database_itself_refuses_a_link_between_clients(world: World) -> None:
    """Whatever the code does: each relation is tried with one row of either client."""
    faults, tried = [], 0
    with acting_as(SYSTEM), connection.cursor() as cursor:
        for model, name, target in _relations():
            own = _rows_of(cursor, model, world.rival.client)[:1]
            answer = "no row to try it with"
            for foreign in _rows_of(cursor, target, world.acme.client) if own else []:
                answer = _point(cursor, model, name, own[0][0], foreign[1])
                if "unique" not in answer:  # in the way of the try: the next row may do
                    break
            # The key; or, for rows that never change, the trigger or the rights.
            if re.search("foreign key|refused|permission denied", answer):
                tried += 1
            else:
                faults.append(f"{model._meta.label}.{name}: {answer}")
    assert not faults, "\n".join(faults)
    assert tried >= 25


def _relations() -> Iterator[tuple[type[models.Model], str, type[models.Model]]]:
    """Yield every relation from a client's row to a client's row: model, column, target."""
    tables = [model for model in Client._meta.apps.get_models() if _is_owned(model)]
    for model in tables:
        for key in model._meta.concrete_fields:
            target = key.related_model
            may_cross = (model._meta.label, key.name) in MAY_CROSS
            if target in tables and target is not Client and not may_cross:
                yield model, key.column, target


def _is_owned(model: type[models.Model]) -> bool:
    return getattr(model, "tenancy", None) is Tenancy.TENANT


def _point(cursor: Any, model: type[models.Model], column: str, row: str, key: int) -> str:
    """Point a row's column at a key; return what the database said against it."""
    try:
        with transaction.atomic():
            cursor.execute(
                f"UPDATE {model._meta.db_table} SET {column} = %s WHERE ctid = %s", [key, row]
            )
            transaction.set_rollback(True)
    except DatabaseError as refusal:
        return str(refusal)
    return "now points at another client's row"


def _rows_of(cursor: Any, model: type[models.Model], client: Client) -> list[tuple[str, int]]:
    """Return where a client's rows of a table lie, and their keys."""
    key = model._meta.pk.column or "device_id"
    cursor.execute(
        f"SELECT ctid::text, {key} FROM {model._meta.db_table} WHERE client_id = %s "
        f"ORDER BY {key} DESC",
        [client.pk],
    )
    return cursor.fetchall()  # type: ignore[no-any-return]
