"""What was done is written with the act, and stays written."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from msp.core import audit, correlation
from msp.core.database import as_owner
from msp.core.models import AuditEntry, User


@pytest.mark.django_db
def test_an_entry_names_actor_target_and_reason(technician: User) -> None:
    with correlation.correlated("story-1"):
        row = audit.record("user.seen", technician, by=technician, reason="test", after={"a": 1})
    assert (row.actor, row.actor_label, row.action) == (technician, "Tess Technician", "user.seen")
    assert (row.target_type, row.target_id) == ("core.user", str(technician.pk))
    assert (row.reason, row.correlation_id, row.after) == ("test", "story-1", {"a": 1})


@pytest.mark.django_db(transaction=True)
def test_an_act_without_a_transaction_is_refused(technician: User) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        audit.record("user.seen", technician, by=technician)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    ["UPDATE core_auditentry SET action = 'x'", "DELETE FROM core_auditentry"],
)
def test_the_application_cannot_change_an_entry(technician: User, statement: str) -> None:
    audit.record("user.seen", technician, by=technician)
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    ["UPDATE core_auditentry SET action = 'x'", "DELETE FROM core_auditentry"],
)
def test_not_even_the_owner_can_change_an_entry(technician: User, statement: str) -> None:
    with transaction.atomic():
        audit.record("user.seen", technician, by=technician)
    with (
        as_owner(),
        pytest.raises(DatabaseError, match="only added"),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert AuditEntry.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_truncating_an_append_only_table_is_refused() -> None:
    """The tests drop these triggers from real tables, so a table of its own shows the function."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE scratch (id int)")
        try:
            cursor.execute(
                "CREATE TRIGGER scratch_t BEFORE TRUNCATE ON scratch "
                "FOR EACH STATEMENT EXECUTE FUNCTION msp_refuse_truncate()"
            )
            with pytest.raises(DatabaseError, match="TRUNCATE refused"):
                cursor.execute("TRUNCATE scratch")
        finally:
            cursor.execute("DROP TABLE scratch")
