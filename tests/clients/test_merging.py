"""Merging is a pointer: a family reads as one, and undoing is exact."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from clients import selectors, services
from clients.models import Client, Contact
from msp.core.errors import NotAllowed, NotVisible, Refused
from msp.core.models import AuditEntry, User
from msp.core.scope import acting_as
from tests.factories import clients as make
from tests.factories import core as make_core


@pytest.fixture
def pair(system) -> tuple[Client, Client]:
    acme, birch = make.client("Acme"), make.client("Birch")
    make.site(birch, "Yard")
    make.contact(birch, email="bea@birch.example", name="Bea Birch")
    make.contract(birch, name="Birch terms")
    return acme, birch


def rows() -> dict[str, list[Any]]:
    """Return every row of the app, as the database holds it."""
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables "
            "WHERE schemaname = 'public' AND tablename LIKE 'clients_%'"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT to_jsonb(t) FROM "{table}" t ORDER BY id')
            found[table] = cursor.fetchall()
    return found


def test_undoing_leaves_every_row_as_it_was(pair, system) -> None:
    acme, birch = pair
    before = rows()
    services.merge_clients(birch.pk, into=acme.pk, by=system, reason="bought")
    assert rows() != before
    services.unmerge_client(birch.pk, by=system)
    assert rows() == before


def test_only_the_pointer_is_written(pair, system) -> None:
    acme, birch = pair
    before = rows()
    services.merge_clients(birch.pk, into=acme.pk, by=system)
    after = rows()
    changed = {table for table in before if before[table] != after[table]}
    assert changed == {"clients_client"}
    entry = AuditEntry.objects.get(action="client.merged")
    assert (entry.before, entry.after) == ({"merged_into": None}, {"merged_into": acme.pk})


def test_what_came_in_between_stays_with_its_own_client(pair, system) -> None:
    acme, birch = pair
    services.merge_clients(birch.pk, into=acme.pk, by=system)
    services.add_site(birch.pk, by=system, name="New yard")
    services.unmerge_client(birch.pk, by=system)
    assert {site.name for site in selectors.sites_of(system, birch)} == {"Yard", "New yard"}
    assert not selectors.sites_of(system, acme).exists()


def test_refuses_itself_the_merged_and_circles(pair, system) -> None:
    acme, birch = pair
    cedar = make.client("Cedar")
    with pytest.raises(Refused, match="itself"):
        services.merge_clients(acme.pk, into=acme.pk, by=system)
    services.merge_clients(birch.pk, into=acme.pk, by=system)
    with pytest.raises(Refused) as merged:
        services.merge_clients(birch.pk, into=cedar.pk, by=system)
    assert merged.value.code == "already_merged"
    with pytest.raises(Refused) as circle:
        services.merge_clients(acme.pk, into=birch.pk, by=system)
    assert circle.value.code == "target_merged"
    with pytest.raises(Refused) as lone:
        services.unmerge_client(cedar.pk, by=system)
    assert lone.value.code == "not_merged"
    with pytest.raises(NotVisible):
        services.merge_clients(acme.pk, into=0, by=system)


def test_a_family_reads_as_one_however_deep(pair, system) -> None:
    acme, birch = pair
    holding = make.client("Holding")
    services.merge_clients(birch.pk, into=acme.pk, by=system)
    services.merge_clients(acme.pk, into=holding.pk, by=system)
    assert selectors.family_ids(holding) == {holding.pk, acme.pk, birch.pk}
    assert [site.name for site in selectors.sites_of(system, holding)] == ["Yard"]
    assert [row.name for row in selectors.contracts_of(system, holding)] == ["Birch terms"]


def test_a_merged_client_is_listed_no_more(pair, system) -> None:
    acme, birch = pair
    services.merge_clients(birch.pk, into=acme.pk, by=system)
    assert [row.name for row in selectors.client_list(system)] == ["Acme"]
    assert selectors.survivor_of(system, selectors.get_client(system, birch.public_id)) == acme


def test_who_reaches_the_survivor_reaches_both_and_no_longer_after_the_undo(pair, system) -> None:
    acme, birch = pair
    some = make_core.staff("technician", email="s@msp.example", scope="set", client_ids=[acme.pk])

    def seen() -> list[str]:
        person = User.objects.get(pk=some.pk)
        with acting_as(person):
            return [row.name for row in Contact.objects.visible_to(person)]

    assert seen() == []
    services.merge_clients(birch.pk, into=acme.pk, by=system)
    assert seen() == ["Bea Birch"]
    services.unmerge_client(birch.pk, by=system)
    assert seen() == []


def test_who_reaches_only_the_merged_client_keeps_it_and_gains_nothing(pair, system) -> None:
    acme, birch = pair
    make.contact(acme, email="al@acme.example")
    some = make_core.staff("technician", email="s@msp.example", scope="set", client_ids=[birch.pk])
    services.merge_clients(birch.pk, into=acme.pk, by=system)
    person = User.objects.get(pk=some.pk)
    with acting_as(person):
        assert [row.name for row in selectors.client_list(person)] == ["Birch"]
        assert [row.name for row in Contact.objects.visible_to(person)] == ["Bea Birch"]
        assert selectors.survivor_of(person, birch) == birch


def test_a_manager_of_the_survivor_sees_both_in_the_portal(pair, system) -> None:
    acme, birch = pair
    boss = make.portal_user("Acme", email="boss@acme.example", name="Boss", roles=["manager"])
    worker = make.portal_user("Birch", email="w@birch.example", name="Worker", roles=["manager"])
    services.merge_clients(birch.pk, into=acme.pk, by=system)

    def seen(user: User) -> set[str]:
        person = User.objects.get(pk=user.pk)
        with acting_as(person):
            return {row.name for row in Contact.objects.visible_to(person)}

    assert seen(boss) == {"Boss", "Bea Birch", "Worker"}
    assert seen(worker) == {"Bea Birch", "Worker"}
    services.unmerge_client(birch.pk, by=system)
    assert seen(boss) == {"Boss"}


def test_merging_needs_its_own_permission_for_both(pair, service_manager) -> None:
    acme, birch = pair
    with acting_as(service_manager), pytest.raises(NotAllowed):
        services.merge_clients(birch.pk, into=acme.pk, by=service_manager)
    half = make_core.staff(
        "administrator", email="h@msp.example", scope="set", client_ids=[acme.pk]
    )
    with acting_as(half), pytest.raises(NotVisible):
        services.merge_clients(birch.pk, into=acme.pk, by=half)
