"""Addresses for walks over every route: with absent ids, or with ids of given rows."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from django.urls import get_resolver, reverse

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
