"""No client's row is reached without a scope, nor from another client's row."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from clients.models import Client, Contact
from clients.services import merge_clients, unmerge_client
from msp.core.models import User
from msp.core.scope import (
    Plane,
    Scope,
    ScopeKind,
    ScopeMissing,
    SystemPrincipal,
    acting_as,
    staff_scope,
)
from msp.core.tenancy import SYSTEM_APPS, Tenancy, TenantManager
from tests.factories import agents as make_device
from tests.factories import clients as make
from tests.factories import core as make_staff

ROOT = Path(__file__).resolve().parents[2]
#: Relations that may cross clients, and why.
MAY_CROSS = {
    ("tickets.Ticket", "moved_from"): "moving a ticket to another client is a copy with a link",
    ("clients.Client", "merged_into"): "a merge is a pointer from one client to another",
}
#: Files that may ask for rows without a scope: they work the scope out, or prove a machine's key.
UNSCOPED_IN = {
    "msp/core/tenancy.py",
    "clients/wire.py",
    "agents/services/credentials.py",
    "agents/services/enrolment.py",
}


def _own_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label not in SYSTEM_APPS]


def _tenant_models() -> list[type[models.Model]]:
    return [m for m in _own_models() if getattr(m, "tenancy", None) is Tenancy.TENANT]


def test_every_model_says_whose_rows_it_holds() -> None:
    assert [
        m._meta.label for m in _own_models() if not isinstance(getattr(m, "tenancy", None), Tenancy)
    ] == []


def test_every_client_owned_model_has_its_client_and_a_guarded_manager() -> None:
    wrong = []
    for model in _tenant_models():
        if model is not Client:
            client = model._meta.get_field("client")
            if client.null:
                wrong.append(f"{model._meta.label}.client may be null")
        if not isinstance(model._default_manager, TenantManager):
            wrong.append(f"{model._meta.label} has an open manager")
    assert wrong == []


@pytest.mark.django_db
def test_every_relation_between_client_owned_rows_has_a_composite_key() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, condeferrable, "
            "(SELECT array_agg(attname::text ORDER BY attname) FROM pg_attribute "
            " WHERE attrelid = conrelid AND attnum = ANY(conkey)) "
            "FROM pg_constraint WHERE contype = 'f' AND array_length(conkey, 1) = 2"
        )
        keys = {
            (table, *sorted(columns)): deferrable
            for table, deferrable, columns in cursor.fetchall()
        }
    missing = []
    for model in _tenant_models():
        for field in model._meta.get_fields():
            if not isinstance(field, models.ForeignKey) or field.name == "client":
                continue
            if getattr(field.related_model, "tenancy", None) is not Tenancy.TENANT:
                continue
            if (model._meta.label, field.name) in MAY_CROSS:
                continue
            key = (model._meta.db_table, *sorted(["client_id", field.column]))
            if keys.get(key) is not False:
                missing.append(f"{model._meta.label}.{field.name}")
    assert missing == []


@pytest.mark.django_db
def test_raw_sql_cannot_tie_a_contact_to_another_clients_site(system: SystemPrincipal) -> None:
    person = make.contact(make.client("Acme"), email="a@acme.example")
    elsewhere = make.site(make.client("Rival"), "Their office")
    with (
        pytest.raises(IntegrityError, match="same_client"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "UPDATE clients_contact SET site_id = %s WHERE id = %s", [elsewhere.pk, person.pk]
        )


@pytest.mark.django_db
def test_the_default_manager_raises_outside_a_scope() -> None:
    with pytest.raises(ScopeMissing, match="acting_as"):
        Client.objects.count()


@pytest.mark.django_db
def test_a_related_manager_follows_a_parent_that_was_reached_through_a_scope() -> None:
    acme = make.client("Acme")
    make.site(acme)
    assert acme.sites.count() == 1


def test_only_listed_files_ask_without_a_scope() -> None:
    found = {
        str(path.relative_to(ROOT))
        for room in ("msp", "clients", "agents", "tickets", "monitoring", "billing")
        for path in (ROOT / room).rglob("*.py")
        if ".unscoped()" in path.read_text(encoding="utf-8")
    }
    assert found <= UNSCOPED_IN


def test_an_empty_set_reaches_nothing() -> None:
    assert staff_scope([(ScopeKind.SET, [])]).kind is ScopeKind.NONE
    assert staff_scope([]).kind is ScopeKind.NONE
    assert not Scope(ScopeKind.SET, Plane.STAFF).covers(1)


@pytest.mark.django_db
def test_a_contact_sees_only_the_own_client(contact: User, stranger: User) -> None:
    with acting_as(contact):
        assert [row.name for row in Client.objects.visible_to(contact)] == ["Acme"]
    with acting_as(stranger):
        assert [row.name for row in Client.objects.visible_to(stranger)] == ["Rival"]


@pytest.mark.django_db
def test_staff_with_listed_clients_see_those_alone() -> None:
    acme, rival = make.client("Acme"), make.client("Rival")
    make_device.device(acme, "A-1")
    make_device.device(rival, "R-1")
    restricted = make_staff.staff(
        "technician", email="r@msp.example", scope="set", client_ids=[acme.pk]
    )
    with acting_as(restricted):
        assert [row.name for row in Client.objects.visible_to(restricted)] == ["Acme"]
        device_model = apps.get_model("agents", "Device")
        assert [row.name for row in device_model.objects.visible_to(restricted)] == ["A-1"]


@pytest.mark.django_db
def test_a_person_at_two_clients_acts_for_one_at_a_time(contact: User) -> None:
    make.contact(make.client("Rival"), email="ada@rival.example", name="Ada", user=contact)
    again = User.objects.get(pk=contact.pk)
    assert again.scope.kind is ScopeKind.NONE  # nothing is reached until one is chosen


@pytest.mark.django_db
def test_a_user_who_may_not_sign_in_reaches_nothing(technician: User) -> None:
    User.objects.filter(pk=technician.pk).update(is_active=False)
    assert User.objects.get(pk=technician.pk).scope.kind is ScopeKind.NONE


@pytest.mark.django_db
def test_a_merged_family_reads_as_one_and_undoing_is_exact() -> None:
    acme, old = make.client("Acme"), make.client("Acme Old")
    make.contact(old, email="o@old.example", name="Olga Old")
    person = make_staff.staff(
        "technician", email="r@msp.example", scope="set", client_ids=[acme.pk]
    )
    admin = make_staff.staff("administrator", email="admin@msp.example")

    def seen() -> list[str]:
        fresh = User.objects.get(pk=person.pk)
        with acting_as(fresh):
            return [row.name for row in Contact.objects.visible_to(fresh)]

    before = list(Contact.objects.model._base_manager.values_list("id", "client_id"))
    assert seen() == []
    with acting_as(admin):
        merge_clients(old.public_id, into=acme.public_id, by=admin, reason="bought")
    assert seen() == ["Olga Old"]
    with acting_as(admin):
        unmerge_client(old.public_id, by=admin, reason="mistake")
    assert seen() == []
    assert list(Contact.objects.model._base_manager.values_list("id", "client_id")) == before
