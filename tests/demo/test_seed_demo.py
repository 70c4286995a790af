"""The demo: whole or not at all, once, with sign-ins that work and nobody else can read."""

from __future__ import annotations

import json
import shutil
import stat
import tempfile
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import TestCase

from agents.models import Device, EnrolmentToken
from agents.services import Machine, enrol_device, revoke_enrolment_token
from billing.enums import InvoiceState
from billing.models import Invoice
from clients.models import Client
from monitoring.models import Alert
from msp.core import clock
from msp.core.enums import Channel, NotificationState
from msp.core.models import AuditEntry, Delivery, Notification, User
from msp.core.scope import SystemPrincipal, acting_as
from msp.demo import cast, machine, seed
from msp.demo.times import Ago, Back, first_of_month, instant, working_day
from tickets.enums import Status
from tickets.models import Ticket, TimeEntry
from tickets.services import differences, queue_differences

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {"signins": tmp_path / "signins.json", "agent_token_file": tmp_path / "agent" / "token"}


def _seed(**options: Any) -> str:
    out = StringIO()
    with clock.at(NOW):
        call_command("seed_demo", if_empty=True, stdout=out, **options)
    return out.getvalue()


def _facts() -> list[tuple[Any, ...]]:
    return list(
        Ticket.objects.order_by("number").values_list(
            "number", "subject", "status", "priority", "opened_at", "next_due_at", "last_line"
        )
    )


def _join(secret: str) -> None:
    enrol_device(secret, public_key=b"k" * 32, machine=Machine(name="here", role="server"))


class TheDemo(TestCase):
    """One demo, looked at from several sides."""

    @classmethod
    def setUpTestData(cls) -> None:
        directory = Path(tempfile.mkdtemp(prefix="msp-test-demo-"))
        cls.addClassCleanup(shutil.rmtree, directory)
        cls.files = {"signins": directory / "signins", "agent_token_file": directory / "a" / "t"}
        _seed(**cls.files)

    def setUp(self) -> None:
        self.system = SystemPrincipal("tests")
        self.enterContext(acting_as(self.system))

    def test_there_is_something_of_everything(self) -> None:
        assert Client.objects.count() == 3
        assert Device.objects.count() == 12
        assert {ticket.status for ticket in Ticket.objects.all()} == set(Status.values)
        assert Ticket.objects.count() >= 25
        assert {alert.state for alert in Alert.objects.all()} == {"open", "closed"}
        assert TimeEntry.objects.filter(approved_at__isnull=False).count() >= 10
        assert TimeEntry.objects.filter(approved_at__isnull=True).exists()
        assert Invoice.objects.filter(state=InvoiceState.POSTED).count() == 3
        assert Invoice.objects.exclude(state=InvoiceState.POSTED).count() == 1

    def test_what_follows_has_followed(self) -> None:
        waiting = Delivery.objects.filter(done_at__isnull=True)
        assert [(row.handler, row.last_error) for row in waiting] == []
        assert not Notification.objects.filter(
            channel=Channel.EMAIL, state=NotificationState.PENDING
        ).exists()

    def test_projections_agree_with_their_facts(self) -> None:
        with clock.at(NOW):
            for ticket in Ticket.objects.all():
                assert differences(ticket) == [], ticket
                assert queue_differences(ticket) == [], ticket

    def test_a_second_start_changes_nothing(self) -> None:
        def everything() -> Any:
            files = [path.read_bytes() for path in self.files.values()]
            return _facts(), AuditEntry.objects.count(), files

        before = everything()
        assert _seed(**self.files) == ""
        assert everything() == before

    def test_sign_ins_work_and_only_their_owner_reads_them(self) -> None:
        for path in self.files.values():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        rows = json.loads(self.files["signins"].read_text())
        wanted = ("Technician", "Service manager")
        contacts = (f"Contact at {cast.HARBOUR}", f"Contact at {cast.OAKFIELD}")
        assert {*wanted, *contacts} <= {row["who"] for row in rows}
        assert len({row["password"] for row in rows}) == len(rows)
        for row in rows:
            assert authenticate(email=row["email"], password=row["password"]), row["who"]

    def test_this_machine_gets_a_token_until_it_has_joined(self) -> None:
        path = self.files["agent_token_file"].with_name("another")
        with clock.at(NOW):
            # The file is not there, though a token was made: it was lost before its use.
            assert machine.hand_out_token(path, by=self.system)
            assert path.read_text() != self.files["agent_token_file"].read_text()
            assert not machine.hand_out_token(path, by=self.system)
            _join(path.read_text().strip())
            path.unlink()
            assert not machine.hand_out_token(path, by=self.system)
        assert not path.exists()

    def test_a_token_that_was_revoked_is_replaced(self) -> None:
        path = self.files["agent_token_file"].with_name("again")
        path.write_text("revoked")
        token = EnrolmentToken.objects.get(label=machine.LABEL)
        with clock.at(NOW):
            revoke_enrolment_token(token.public_id, by=self.system)
            assert machine.hand_out_token(path, by=self.system)
            _join(path.read_text().strip())


def test_refuses_a_database_in_use(system: SystemPrincipal) -> None:
    Client.objects.create(name="Somebody real")
    with pytest.raises(CommandError, match="clients already"):
        call_command("seed_demo")
    assert Client.objects.count() == 1


def test_a_cut_off_seed_leaves_nothing_and_the_next_mends_it(
    system: SystemPrincipal, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(seed.money, "plan_invoices", cut_off)
        with pytest.raises(KeyboardInterrupt):
            _seed(**files)
    assert not User.objects.exists()
    assert not files["signins"].exists()
    assert "28 tickets" in _seed(**files)
    assert files["signins"].exists()


def test_an_installation_without_the_demo_gets_no_token(
    system: SystemPrincipal, tmp_path: Path
) -> None:
    assert not machine.hand_out_token(tmp_path / "token", by=system)


def test_the_same_seed_gives_the_same_demo(system: SystemPrincipal) -> None:
    def made_and_undone() -> list[Any]:
        undo = transaction.savepoint()
        with clock.at(NOW):
            seed.make_demo(7)
        serials = Device.objects.order_by("pk").values_list("name", "identifiers__value")
        found = [*_facts(), *serials]
        transaction.savepoint_rollback(undo)
        return found

    assert made_and_undone() == made_and_undone()


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 1, 0, 5, tzinfo=UTC),  # a Sunday night, the first of a month
        datetime(2026, 3, 30, 3, 0, tzinfo=UTC),  # the clocks went forward yesterday
    ],
)
def test_it_can_be_made_at_any_hour(now: datetime, system: SystemPrincipal) -> None:
    with clock.at(now):
        made = seed.make_demo(7)
    assert made.tickets == 28
    assert not Ticket.objects.filter(last_activity_at__gt=now).exists()


def test_working_days_leave_out_weekends() -> None:
    assert working_day(NOW.date(), 0) == NOW.date()
    assert working_day(NOW.date(), 2).isoformat() == "2026-11-20"
    assert instant(Back(2, "09:00"), NOW).isoformat() == "2026-11-20T09:00:00+00:00"
    assert instant(Ago(90), NOW).isoformat() == "2026-11-24T08:30:00+00:00"
    assert first_of_month(NOW.date(), back=11).isoformat() == "2025-12-01"
