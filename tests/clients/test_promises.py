"""One priority resolves to exactly one policy version, with a reason."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from clients import selectors, services
from clients.domain.coverage import NO_CONTRACT
from clients.enums import ContractState, Level, PriorityKey
from clients.models import Calendar, Client
from clients.services.defaults import CELLS, TARGETS
from msp.core import clock
from msp.core.errors import NotVisible, Refused
from tests.factories import clients as make
from tickets.domain.priority import DEFAULT_MATRIX
from tickets.domain.worktime import Calendar as WorkCalendar

AT = datetime(2026, 6, 10, 12, tzinfo=UTC)


@pytest.fixture
def acme(system) -> Client:
    return make.client("Acme", zone="Europe/Dublin")


def promise(owner: Client, at: datetime = AT, site_id: int | None = None) -> selectors.Promise:
    return selectors.promise_for(client_id=owner.pk, site_id=site_id, at=at)


def test_the_contract_in_force_decides_and_says_so(acme) -> None:
    contract = make.contract(acme)
    found = promise(acme)
    assert found.contract_id == contract.pk
    assert found.reason == "SLA policy “Standard”, by contract “Managed”."
    assert found.targets["p1"]["response"] == 15
    assert found.calendar["windows"]["mon"] == [["09:00", "17:00"]]
    assert found.warnings == (50, 75, 100)


def test_of_several_contracts_the_newest_decides(acme) -> None:
    make.contract(acme, name="Old", ends_on=None)
    newer = make.contract(acme, name="New")
    newer.starts_on = date(2026, 3, 1)
    newer.save()
    found = promise(acme)
    assert found.contract_id == newer.pk
    assert "the newest of those in force" in found.reason


@pytest.mark.parametrize(
    ("starts", "ends", "state", "holds"),
    [
        (date(2026, 6, 10), None, ContractState.ACTIVE, True),
        (date(2026, 6, 11), None, ContractState.ACTIVE, False),
        (date(2026, 1, 1), date(2026, 6, 10), ContractState.ACTIVE, True),
        (date(2026, 1, 1), date(2026, 6, 9), ContractState.ACTIVE, False),
        (date(2026, 1, 1), date(2026, 6, 10), ContractState.ENDED, True),
        (date(2026, 1, 1), None, ContractState.ENDED, False),
        (date(2026, 1, 1), None, ContractState.DRAFT, False),
    ],
)
def test_a_contract_holds_on_its_days_both_included(
    acme, system, starts, ends, state, holds
) -> None:
    services.ensure_defaults(by=system)
    contract = make.contract(acme, ends_on=ends)
    contract.starts_on, contract.state = starts, state
    contract.save()
    assert (promise(acme).contract_id == contract.pk) is holds


def test_the_day_is_the_clients_own(system) -> None:
    services.ensure_defaults(by=system)
    far = make.client("Kiwi", zone="Pacific/Auckland")
    contract = make.contract(far)
    contract.starts_on = date(2026, 6, 11)
    contract.save()
    assert promise(far).contract_id == contract.pk  # already the eleventh in Auckland


def test_without_a_contract_the_default_policy_holds_and_says_so(acme, system) -> None:
    defaults = services.ensure_defaults(by=system)
    found = promise(acme)
    assert found.contract_id is None
    assert found.reason == "No contract on 10 Jun 2026: default SLA policy “Standard”."
    assert found.targets == TARGETS
    assert found.calendar_version_id == defaults.calendar.versions.get().pk
    assert found.zone == "Europe/Dublin"


def test_without_any_default_it_says_what_to_do(acme) -> None:
    with pytest.raises(Refused, match="Mark one of each as default"):
        promise(acme)


def test_a_site_of_another_client_is_not_there(acme) -> None:
    make.contract(acme)
    foreign = make.site(make.client("Rival"))
    with pytest.raises(NotVisible):
        promise(acme, site_id=foreign.pk)


def test_the_sites_zone_fills_in_where_the_calendar_has_none(acme, system) -> None:
    services.ensure_defaults(by=system)
    lisbon = make.site(acme, "Lisbon", zone="Europe/Lisbon")
    assert promise(acme, site_id=lisbon.pk).zone == "Europe/Lisbon"


def test_the_contract_may_count_the_sites_hours(acme) -> None:
    night = make.calendar("Night", windows={"mon": [["22:00", "06:00"]]})
    site = make.site(acme, "Mill", calendar=night)
    contract = make.contract(acme, whose_hours="site")
    found = promise(acme, site_id=site.pk)
    assert found.calendar["windows"] == {"mon": [["22:00", "06:00"]]}
    contract.whose_hours = "contract"
    contract.save()
    found = promise(acme, site_id=site.pk)
    assert "tue" in found.calendar["windows"]
    assert found.site_calendar["windows"] == {"mon": [["22:00", "06:00"]]}


def test_around_the_clock_goes_for_every_priority(acme) -> None:
    make.contract(acme, whose_hours="always")
    found = promise(acme)
    assert {row["hours"] for row in found.targets.values()} == {"always"}
    assert found.hours_for("p3")["always"] is True
    assert found.calendar_key("p3") == "always"


def test_one_priority_may_count_around_the_clock(acme, system) -> None:
    targets = {key: dict(row) for key, row in TARGETS.items()}
    targets["p1"]["hours"] = "always"
    policy = services.add_policy("Gold", by=system, targets=targets)
    make.contract(acme, policy=policy)
    found = promise(acme)
    assert found.calendar_key("p1") == "always"
    assert found.calendar_key("p2") == f"{found.calendar_version_id}@Europe/Dublin"


def test_a_calendar_key_reads_back_as_the_same_hours(acme) -> None:
    make.contract(acme, whose_hours="site")
    found = promise(acme)
    for priority in PriorityKey.values:
        assert selectors.calendar_of_key(found.calendar_key(priority)) == found.hours_for(priority)
    assert selectors.calendar_values(found.calendar_version_id, found.zone) == found.calendar
    with pytest.raises(NotVisible):
        selectors.calendar_of_key("nonsense")


def test_the_hours_are_such_as_the_clock_understands(acme) -> None:
    make.contract(acme)
    values = promise(acme).calendar
    WorkCalendar.parse(
        values["zone"], values["windows"], values["holidays"], always=values["always"]
    )


def test_what_began_keeps_its_version_and_what_begins_has_the_new_one(acme, system) -> None:
    with clock.at(datetime(2026, 1, 1, tzinfo=UTC)):
        policy = services.add_policy("Gold", by=system, targets=TARGETS)
    make.contract(acme, policy=policy)
    faster = {key: row | {"response": 5} for key, row in TARGETS.items()}
    with clock.at(datetime(2026, 6, 1, tzinfo=UTC)):
        services.add_policy_version(policy.pk, by=system, targets=faster)
    assert promise(acme, datetime(2026, 5, 31, tzinfo=UTC)).targets["p1"]["response"] == 15
    assert promise(acme, datetime(2026, 6, 2, tzinfo=UTC)).targets["p1"]["response"] == 5
    before_all = promise(acme, datetime(2026, 1, 1, tzinfo=UTC))
    assert before_all.targets["p1"]["response"] == 15


def test_a_merged_client_keeps_its_own_contract_before_the_survivors(acme, system) -> None:
    birch = make.client("Birch")
    theirs = make.contract(acme, name="Acme terms")
    own = make.contract(birch, name="Birch terms")
    services.merge_clients(birch.pk, into=acme.pk, by=system)
    assert promise(birch).contract_id == own.pk
    own.state = ContractState.DRAFT
    own.save()
    found = promise(birch)
    assert (found.contract_id, found.terms_contract_id) == (None, theirs.pk)
    assert "of Acme, which this client joined" in found.reason


def test_says_whether_work_is_covered_and_why(acme) -> None:
    contract = make.contract(acme)
    covered = selectors.coverage_of(contract.pk, work_type="remote", inside_hours=True)
    assert covered == (True, "3.1 Remote help")
    outside = selectors.coverage_of(contract.pk, work_type="remote", inside_hours=False)
    assert outside == (False, "not listed")
    assert selectors.coverage_of(None, work_type="remote", inside_hours=True) == (
        False,
        NO_CONTRACT,
    )
    with pytest.raises(NotVisible):
        selectors.coverage_of(0, work_type="remote", inside_hours=True)


def test_a_merged_client_is_covered_by_the_survivor_where_that_is_asked(acme, system) -> None:
    birch = make.client("Birch")
    make.contract(acme)
    services.merge_clients(birch.pk, into=acme.pk, by=system)
    asked = {"work_type": "remote", "inside_hours": True, "client_id": birch.pk, "at": AT}
    assert selectors.coverage_of(None, **asked) == (True, "3.1 Remote help")


def test_priorities_come_from_the_clients_matrix_then_the_default(acme, system) -> None:
    assert selectors.priority_cells(acme.pk) is None
    services.ensure_defaults(by=system)
    assert selectors.priority_cells(acme.pk) == CELLS
    calm = services.add_matrix("Calm", by=system, cells=dict.fromkeys(CELLS, "p4"))
    services.change_client(acme.pk, by=system, priority_matrix_id=calm.pk)
    assert set(selectors.priority_cells(acme.pk).values()) == {"p4"}


def test_the_default_matrix_is_the_one_tickets_fall_back_to() -> None:
    assert {
        f"{impact.value}:{urgency.value}": priority.value
        for (impact, urgency), priority in DEFAULT_MATRIX.cells
    } == CELLS
    assert set(CELLS) == {f"{i}:{u}" for i in Level.values for u in Level.values}


def test_defaults_are_made_once_and_left_alone_afterwards(system) -> None:
    first = services.ensure_defaults(by=system)
    other = services.add_calendar("Longer", by=system, windows=make.OFFICE, is_default=True)
    second = services.ensure_defaults(by=system)
    assert second.calendar.pk == other.pk
    assert (second.policy.pk, second.matrix.pk) == (first.policy.pk, first.matrix.pk)
    assert Calendar.objects.filter(is_default=True).count() == 1
