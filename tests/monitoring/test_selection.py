"""Which rule is for which series, and which alerts share a ticket."""

from __future__ import annotations

import pytest

from monitoring.domain.selection import SILENCE, Selector, family, for_device, free_parts, group_key

USED = "system.filesystem.utilization"


@pytest.mark.parametrize(
    ("pattern", "instance", "fits"),
    [
        ("", "/anything", True),
        ("/srv", "/srv", True),
        ("/srv", "/srv2", False),
        ("/srv*", "/srv/data", True),
        ("/srv, /data", "/data", True),
        ("!/boot", "/boot", False),
        ("!/boot", "/srv", True),
        ("/*, !/boot", "/boot", False),
        ("C:", "c:", False),
    ],
)
def test_a_pattern_chooses_instances(pattern: str, instance: str, fits: bool) -> None:
    assert Selector(1, USED, instance_pattern=pattern).fits_instance(instance) is fits


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        (Selector(1, USED), True),
        (Selector(1, USED, client_id=7), True),
        (Selector(1, USED, client_id=8), False),
        (Selector(1, USED, roles=frozenset({"workstation"})), True),
        (Selector(1, USED, roles=frozenset({"server"})), False),
        (Selector(1, SILENCE), False),
        (Selector(1, SILENCE, roles=frozenset({"workstation"})), False),
    ],
)
def test_client_and_role_choose_devices(selector: Selector, fits: bool) -> None:
    assert selector.fits_device(7, "workstation") is fits


def test_a_clients_rule_pushes_out_what_it_replaces() -> None:
    everyone, own = Selector(1, USED), Selector(2, USED, client_id=7, replaces_id=1)
    assert for_device([everyone, own], client_id=7, role="server") == [own]
    assert for_device([everyone, own], client_id=8, role="server") == [everyone]


def test_a_rule_pushed_out_for_servers_is_not_there_for_workstations_either() -> None:
    """Standing in is for the whole client: otherwise nobody could say which rule counts."""
    everyone = Selector(1, USED)
    own = Selector(2, USED, client_id=7, replaces_id=1, roles=frozenset({"server"}))
    assert for_device([everyone, own], client_id=7, role="workstation") == []


def test_alerts_about_one_thing_of_one_device_share_a_ticket() -> None:
    assert group_key(5, USED) == group_key(5, "system.filesystem.usage")
    assert group_key(5, USED) != group_key(6, USED)
    assert group_key(5, USED) != group_key(5, "system.cpu.utilization")


def test_a_metric_without_dots_is_its_own_family() -> None:
    assert family("load") == "load"


@pytest.mark.parametrize(
    ("metric", "parts"),
    [
        (USED, ("system.filesystem.usage", "system.filesystem.limit")),
        ("system.memory.utilization", ("system.memory.usage", "system.memory.limit")),
        ("system.cpu.utilization", None),
        ("system.uptime", None),
        ("load", None),
    ],
)
def test_free_bytes_come_from_usage_and_limit(metric: str, parts: tuple[str, str] | None) -> None:
    assert free_parts(metric) == parts
