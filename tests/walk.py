"""Addresses for walks over every route: with absent ids, or with ids of given rows."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.urls import get_resolver, reverse

from tests.factories import estate
from tests.factories.estate import Estate

#: The month of an estate's draft invoice, as addresses have it.
PERIOD = f"{estate.PERIOD:%Y-%m}"
#: Their objects are the MSP's own; there is no client whose they could be.
OURS = frozenset(
    {
        "billing:price-withdraw", "clients:calendar", "clients:calendar-default",
        "clients:calendar-version", "clients:policy", "clients:policy-default",
        "clients:policy-version", "clients:matrix-version", "clients-api:calendar-default",
        "clients-api:calendar-versions", "clients-api:policy-default",
        "clients-api:policy-versions",
    }
)  # fmt: skip

ABSENT: dict[str, object] = {
    "int": 987654321,
    "uuid": uuid.UUID("00000000-0000-4000-8000-000000000000"),
    "slug": "absent",
    "str": "absent",
}


def parameters(name: str) -> dict[str, str]:
    """Return the parameters of a route and their converters, such as `{"number": "int"}`."""
    *namespaces, view = name.split(":")
    resolver = get_resolver()
    for namespace in namespaces:
        resolver = resolver.namespace_dict[namespace][1]
    possibilities = resolver.reverse_dict.getlist(view)
    route, _, _, converters = possibilities[0]
    names = route[0][1]
    found = {}
    for parameter in names:
        converter = converters.get(parameter)
        found[parameter] = re.sub("converter$", "", type(converter).__name__.lower()) or "str"
    return found


def address(name: str, values: Mapping[str, object] | None = None) -> str:
    """Return the address of a route, with absent ids for every parameter that `values` lacks."""
    values = values or {}
    arguments = {
        parameter: values.get(parameter, ABSENT.get(kind, "absent"))
        for parameter, kind in parameters(name).items()
    }
    return reverse(name, kwargs=arguments)


def objects(name: str, of: Estate) -> list[dict[str, object]]:
    """Return the arguments of a route for each fitting object of an estate.

    Errors: AssertionError for a route that nobody has told about here.
    """
    found = parameters(name)
    if set(found) == {"number"}:
        return [{"number": ticket.number} for ticket in of.tickets]
    if set(found) == {"rule_id", "client_id"}:
        return [{"rule_id": of.rule.public_id, "client_id": of.client.public_id}]
    if set(found) == {"pk"}:
        assert name == "core:delivery-retry", f"{name} is unknown to tests/walk.py"
        return [{"pk": of.delivery.pk}]
    rows = _rows(name, of)
    if set(found) == {"public_id", "period"}:
        return [{"public_id": row.public_id, "period": PERIOD} for row in rows]
    assert set(found) == {"public_id"}, f"{name} is unknown to tests/walk.py"
    return [{"public_id": row.public_id} for row in rows]


def _rows(name: str, of: Estate) -> list[Any]:
    """Return the objects that a route's `public_id` names, told by the route's own name."""
    kinds: list[tuple[str, list[Any]]] = [
        (r"agents:(approve|detail|edit|retire|revoke-key)", of.devices),
        (r"agents-api:device", of.devices),
        (r"(monitoring|tickets):(device|telemetry)-panel", of.devices),
        (r"agents:enrolment-revoke|agents-api:token-revoke", [of.token]),
        (r"billing:contract-line-new", [of.contract, of.draft_contract]),
        (r"billing:contract-line-", [of.contract_line]),
        (r"billing:line-drop", of.draft_lines),
        (r"billing:credit-note|portal:credit-note", [of.credit_note]),
        (r"billing:(client|profile|draft|price-again|ready)", [of.client]),
        (r"billing(-api)?:(credit|discard|invoice|pdf-retry|post)", of.invoices),
        (r"portal:invoice", of.invoices),
        (r"clients-api:client|(monitoring|tickets):client-panel", [of.client]),
        (r"clients:(contact-new|contacts$|contract-new|site-new|sites$)", [of.client]),
        (r"clients:(detail|edit|merge|unmerge)", [of.client]),
        (r"clients(-api)?:contract", [of.contract, of.draft_contract]),
        (r"clients(-api)?:contact|tickets:contact-panel", [of.contact]),
        (r"clients(-api)?:site", [of.site]),
        (r"monitoring(-api)?:rule", [of.rule]),
        (r"monitoring(-api)?:(alert|acknowledge)", of.alerts),
        (r"tickets:time-", of.time_entries),
    ]
    for pattern, rows in kinds:
        if re.match(pattern, name):
            return rows
    raise AssertionError(f"{name} is unknown to tests/walk.py")


def ours(name: str) -> dict[str, object]:
    """Return arguments for a route whose object is the MSP's own."""
    if name not in OURS:
        return {}
    kind = re.search(r"price|calendar|policy|matrix", name)
    assert kind is not None, name
    table = {
        "price": "billing.PriceVersion", "calendar": "clients.Calendar",
        "policy": "clients.SlaPolicy", "matrix": "clients.PriorityMatrix",
    }[kind[0]]  # fmt: skip
    row = apps.get_model(table)._default_manager.first()
    return {"public_id": row.public_id} if row is not None else {}
