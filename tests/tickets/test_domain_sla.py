"""The clock ledger: what follows from events, by hand and against a walk minute by minute."""

import itertools
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tickets.worktime_oracle import counts
from tickets.domain.sla import (
    ALLOWED_PAUSES,
    PARTY_OF_PAUSE,
    ClockEvent,
    ClockState,
    ClockWarning,
    Ignored,
    LedgerError,
    is_human_contact,
    replay,
    replay_all,
)
from tickets.domain.worktime import Calendar
from tickets.enums import (
    AuthorKind,
    ClockEventKind,
    ClockStanding,
    ClockTarget,
    MessageKind,
    Party,
    PauseReason,
    RetargetBasis,
)

K, P, T = ClockEventKind, PauseReason, ClockTarget
OFFICE = Calendar.of("Europe/Berlin", [((9 * 60, 17 * 60),)] * 5 + [()] * 2)
CALENDARS = {"office": OFFICE, "always": Calendar("UTC", always=True)}
MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    """Read an instant of 2 March 2026 (a Monday; Berlin is an hour ahead) or with its date."""
    return datetime.fromisoformat(text if "T" in text else f"2026-03-02T{text}").replace(tzinfo=UTC)


class Ledger:
    """Writes events in the order of their recording, to read like the story of a ticket."""

    def __init__(self, target: ClockTarget = T.RESOLUTION) -> None:
        """Begin with no event."""
        self.target = target
        self.events: list[ClockEvent] = []

    def add(self, kind: ClockEventKind, when: str, reason="", recorded="", **parts) -> int:
        """Record an event and return its id."""
        parts = {key: at(v) if isinstance(v, str) and ":" in v else v for key, v in parts.items()}
        event = ClockEvent(
            id=len(self.events) + 1,
            target=self.target,
            kind=kind,
            effective_at=at(when),
            recorded_at=at(recorded or when),
            reason=reason,
            **parts,
        )
        self.events.append(event)
        return event.id

    def start(self, when: str = "08:00", minutes: int = 60, key: str = "office", **parts) -> int:
        """Start the clock."""
        return self.add(K.START, when, target_minutes=minutes, calendar_key=key, **parts)

    def state(self, now: str) -> ClockState:
        """Replay what was recorded."""
        state = replay(self.events, CALENDARS, at(now))
        assert state is not None
        return state


def parties(state: ClockState) -> tuple[float, float, float]:
    """Return the minutes of us, the client and the vendor."""
    return state.msp_seconds / 60, state.client_seconds / 60, state.vendor_seconds / 60


# Human contact


@pytest.mark.parametrize(("message", "author"), list(itertools.product(MessageKind, AuthorKind)))
def test_counts_only_a_persons_public_word_or_logged_contact_as_response(message, author):
    human = {("public", "staff"), ("call", "staff"), ("visit", "staff"), ("chat", "staff")}
    assert is_human_contact(message, author, has_reader=True) == ((message, author) in human)
    # Without anybody to read it, a public message is contact with nobody; a conversation is not.
    human.remove(("public", "staff"))
    assert is_human_contact(message, author, has_reader=False) == ((message, author) in human)


# Running, met, breached


def test_has_no_state_before_it_started():
    ledger = Ledger()
    assert replay([], CALENDARS, at("08:00")) is None
    ledger.start("08:00")
    assert replay(ledger.events, CALENDARS, at("07:59")) is None
    ledger.start("09:00")
    assert replay_all(ledger.events, CALENDARS, at("07:00")) == {}


def test_runs_in_business_hours_only():
    ledger = Ledger()
    ledger.start("2026-03-01T12:00")  # a Sunday
    state = ledger.state("08:20")
    assert (state.standing, state.due_at) == (ClockStanding.RUNNING, at("09:00"))
    assert (state.elapsed_seconds, state.used_ratio) == (1200, 1 / 3)
    assert state.started_at == at("2026-03-01T12:00")


@pytest.mark.parametrize(
    ("met", "standing", "breached"),
    [
        ("08:59", ClockStanding.MET, None),
        ("09:00", ClockStanding.MET, None),
        ("09:01", ClockStanding.MET_LATE, "09:00"),
    ],
)
def test_is_met_until_the_due_instant_and_late_after_it(met, standing, breached):
    ledger = Ledger()
    ledger.start()
    ledger.add(K.MEET, met)
    state = ledger.state("16:00")
    assert (state.standing, state.met_at) == (standing, at(met))
    assert state.breached_at == (breached and at(breached))
    assert state.next_look_at is None


def test_is_breached_from_the_due_instant_on():
    ledger = Ledger()
    ledger.start()
    before, due = ledger.state("08:59"), ledger.state("09:00")
    assert (before.standing, before.breached_at) == (ClockStanding.RUNNING, None)
    assert (due.standing, due.breached_at) == (ClockStanding.BREACHED, at("09:00"))
    assert ledger.state("11:00").elapsed_seconds == 3 * 3600


def test_is_met_at_creation_when_solved_on_the_call():
    ledger = Ledger(T.RESPONSE)
    ledger.start("08:00")
    ledger.add(K.MEET, "07:45", recorded="08:00")  # the call came before the ticket
    state = ledger.state("12:00")
    assert (state.standing, state.met_at) == (ClockStanding.MET, at("08:00"))
    assert (state.elapsed_seconds, state.warned_percents) == (0, ())


def test_takes_the_first_fulfilment():
    ledger = Ledger()
    ledger.start()
    ledger.add(K.MEET, "08:10")
    again = ledger.add(K.MEET, "08:20")
    state = ledger.state("12:00")
    assert (state.met_at, state.ignored) == (at("08:10"), ((again, Ignored.ALREADY_MET),))


def test_leaves_out_what_takes_effect_later():
    ledger = Ledger()
    ledger.start()
    ledger.add(K.MEET, "08:30")
    assert ledger.state("08:29").met_at is None
    assert ledger.state("08:30").met_at == at("08:30")


def test_ignores_a_second_start_of_a_running_clock():
    ledger = Ledger()
    ledger.start(minutes=60)
    second = ledger.start("08:30", minutes=5)
    state = ledger.state("08:40")
    assert (state.due_at, state.ignored) == (at("09:00"), ((second, Ignored.ALREADY_STARTED),))


# Warnings


def test_warns_at_each_share_of_the_target():
    ledger = Ledger()
    ledger.start(minutes=60)
    state = ledger.state("08:45")
    assert state.warnings == (
        ClockWarning(50, at("08:30")),
        ClockWarning(75, at("08:45")),
        ClockWarning(100, at("09:00")),
    )
    assert (state.warned_percents, state.next_look_at) == ((50, 75), at("09:00"))
    assert ledger.state("09:00").warned_percents == (50, 75, 100)
    assert ledger.state("09:00").next_look_at is None


def test_looks_again_at_the_breach_when_the_policy_warns_earlier_only():
    ledger = Ledger()
    ledger.start(minutes=60, warning_percents=(80,))
    assert ledger.state("08:00").next_look_at == at("08:48")
    assert ledger.state("08:48").next_look_at == at("09:00")
    assert ledger.state("09:00").next_look_at is None


def test_gives_no_warning_that_would_only_come_with_the_fulfilment():
    ledger = Ledger()
    ledger.start(minutes=60)
    ledger.add(K.MEET, "08:45")
    assert ledger.state("12:00").warned_percents == (50,)


# Pauses


def test_stands_still_while_the_client_must_act():
    ledger = Ledger()
    ledger.start()
    ledger.add(K.PAUSE, "08:10", P.WAITING_CLIENT)
    paused = ledger.state("09:10")
    assert (paused.standing, paused.due_at) == (ClockStanding.PAUSED, None)
    assert (paused.paused_by, paused.paused_since) == (P.WAITING_CLIENT, at("08:10"))
    assert (parties(paused), paused.next_look_at) == ((10, 60, 0), None)
    ledger.add(K.RESUME, "09:40")
    resumed = ledger.state("09:50")
    assert (resumed.standing, resumed.due_at) == (ClockStanding.RUNNING, at("10:30"))
    assert parties(resumed) == (20, 90, 0)
    assert resumed.pauses[0].end_at == at("09:40")


def test_stays_breached_while_paused():
    ledger = Ledger()
    ledger.start()
    ledger.add(K.PAUSE, "09:30", P.WAITING_CLIENT)
    state = ledger.state("10:00")
    assert (state.standing, state.breached_at) == (ClockStanding.BREACHED, at("09:00"))
    assert state.paused_by == P.WAITING_CLIENT


def test_is_created_paused():
    ledger = Ledger()
    ledger.start("08:00")
    ledger.add(K.PAUSE, "08:00", P.SCHEDULED, until="2026-03-03T09:00")
    state = ledger.state("08:00")
    assert (state.standing, state.elapsed_seconds) == (ClockStanding.PAUSED, 0)
    assert state.due_at == at("2026-03-03T10:00")  # the agreed date ends the pause by itself
    assert ledger.state("2026-03-03T09:30").standing == ClockStanding.RUNNING


def test_pauses_over_a_holiday_without_losing_a_minute():
    calendar = replace(OFFICE, holidays=frozenset({at("08:00").date()}))
    ledger = Ledger()
    ledger.start("2026-02-27T15:30", minutes=60)  # Friday, half an hour before closing
    ledger.add(K.PAUSE, "10:00", P.WAITING_CLIENT)  # Monday, the holiday
    ledger.add(K.RESUME, "2026-03-03T08:20")
    state = replay(ledger.events, {"office": calendar}, at("2026-03-03T12:00"))
    assert (state.due_at, state.client_seconds) == (at("2026-03-03T08:50"), 20 * 60)


@pytest.mark.parametrize("reason", PauseReason)
def test_never_pauses_a_response(reason):
    ledger = Ledger(T.RESPONSE)
    ledger.start()
    pause = ledger.add(K.PAUSE, "08:10", reason)
    state = ledger.state("08:20")
    assert (state.standing, state.due_at) == (ClockStanding.RUNNING, at("09:00"))
    assert state.ignored == ((pause, Ignored.PAUSE_NOT_ALLOWED),)


def test_never_pauses_our_own_clock_because_we_must_act():
    assert P.WAITING_US not in ALLOWED_PAUSES[T.RESOLUTION]
    assert P.WAITING_VENDOR not in ALLOWED_PAUSES[T.VENDOR]


@pytest.mark.parametrize(
    ("vendor_pauses", "due", "elapsed"), [(False, "09:00", 40), (True, "09:20", 20)]
)
def test_asks_the_terms_whether_a_vendor_stops_the_clock(vendor_pauses, due, elapsed):
    ledger = Ledger()
    ledger.start(vendor_pauses=vendor_pauses)
    ledger.add(K.PAUSE, "08:10", P.WAITING_VENDOR)
    assert ledger.state("08:20").standing == (
        ClockStanding.PAUSED if vendor_pauses else ClockStanding.RUNNING
    )
    ledger.add(K.RESUME, "08:30")
    state = ledger.state("08:40")
    assert (state.due_at, state.elapsed_seconds / 60) == (at(due), elapsed)
    assert parties(state) == (20, 0, 20)
    assert state.seconds_if_vendor_pauses == 20 * 60
    assert state.seconds_if_vendor_counts == 40 * 60


def test_runs_a_vendors_clock_in_the_vendors_name():
    ledger = Ledger(T.VENDOR)
    ledger.start(minutes=60)
    ledger.add(K.PAUSE, "08:10", P.WAITING_US)
    ledger.add(K.PAUSE, "08:15", P.WAITING_CLIENT)
    ledger.add(K.RESUME, "08:30")
    state = ledger.state("08:40")
    assert (parties(state), state.due_at) == ((5, 15, 20), at("09:20"))
    assert state.seconds_if_vendor_pauses == state.seconds_if_vendor_counts == 20 * 60


def test_hands_over_from_one_pause_to_the_next():
    ledger = Ledger()
    ledger.start(vendor_pauses=True)
    ledger.add(K.PAUSE, "08:10", P.WAITING_CLIENT)
    ledger.add(K.PAUSE, "08:20", P.WAITING_VENDOR)
    ledger.add(K.RESUME, "08:50")
    assert parties(ledger.state("09:00")) == (20, 10, 30)


def test_adds_a_back_dated_pause_without_disturbing_the_one_it_overlaps():
    ledger = Ledger()
    ledger.start()
    ledger.add(K.PAUSE, "09:00", P.WAITING_CLIENT)
    ledger.add(K.RESUME, "10:00")
    ledger.add(K.PAUSE, "08:30", P.WAITING_CLIENT, recorded="11:00", until="09:30")
    state = ledger.state("11:00")
    assert (parties(state), state.due_at) == ((90, 90, 0), at("10:30"))


def test_believes_a_back_dated_pause_that_still_lasts_against_an_older_resume():
    ledger = Ledger()
    ledger.start()
    ledger.add(K.PAUSE, "09:00", P.WAITING_CLIENT)
    ledger.add(K.RESUME, "10:00")
    ledger.add(K.PAUSE, "08:30", P.WAITING_CLIENT, recorded="11:00")
    state = ledger.state("11:30")
    assert (state.standing, parties(state)) == (ClockStanding.PAUSED, (30, 180, 0))


def test_back_dates_a_resume():
    ledger = Ledger()
    ledger.start()
    ledger.add(K.PAUSE, "08:10", P.WAITING_CLIENT)
    late = ledger.add(K.RESUME, "09:10")
    ledger.add(K.RESUME, "08:20", recorded="10:00")
    state = ledger.state("10:00")
    assert parties(state) == (110, 10, 0)
    assert state.ignored == ((late, Ignored.NOTHING_TO_RESUME),)


def test_ends_the_pause_that_a_resume_names_and_no_other():
    ledger = Ledger()
    ledger.start()
    past = ledger.add(K.PAUSE, "08:10", P.WAITING_CLIENT, recorded="09:00", until="08:50")
    ledger.add(K.RESUME, "08:20", recorded="09:05", pause_id=past)
    unknown = ledger.add(K.RESUME, "08:30", recorded="09:06", pause_id=99)
    state = ledger.state("09:10")
    assert parties(state) == (60, 10, 0)
    assert state.ignored == ((unknown, Ignored.NOTHING_TO_RESUME),)


def test_counts_the_clients_minutes_once_where_client_and_vendor_overlap():
    ledger = Ledger()
    ledger.start(vendor_pauses=True)
    ledger.add(K.PAUSE, "08:10", P.WAITING_VENDOR)
    ledger.add(K.RESUME, "08:40")
    ledger.add(K.PAUSE, "08:30", P.WAITING_CLIENT, recorded="09:00", until="08:50")
    assert parties(ledger.state("09:00")) == (20, 20, 20)


# Reopening, cycles, targets


def test_goes_on_from_where_it_stood_when_reopened():
    ledger = Ledger()
    ledger.start()
    ledger.add(K.PAUSE, "08:10", P.WAITING_CLIENT)
    ledger.add(K.MEET, "08:30")  # solved while waiting
    ledger.add(K.REOPEN, "10:00")
    state = ledger.state("10:20")
    assert (state.standing, state.met_at) == (ClockStanding.RUNNING, None)
    assert (parties(state), state.due_at) == ((30, 20, 0), at("10:50"))
    assert state.reopened_count == 1


def test_judges_a_clock_that_was_met_while_paused_by_when_it_would_have_been_due():
    ledger = Ledger()
    ledger.start()
    ledger.add(K.PAUSE, "08:10", P.WAITING_CLIENT)
    ledger.add(K.MEET, "08:30")
    state = ledger.state("12:00")
    assert (state.standing, state.due_at) == (ClockStanding.MET, at("09:20"))
    assert state.paused_by is None


def test_never_takes_a_first_response_back():
    ledger = Ledger(T.RESPONSE)
    ledger.start()
    ledger.add(K.MEET, "08:30")
    reopen = ledger.add(K.REOPEN, "10:00")
    state = ledger.state("12:00")
    assert (state.standing, state.ignored) == (
        ClockStanding.MET,
        ((reopen, Ignored.NEVER_REOPENS),),
    )


def test_does_not_reopen_what_was_not_met():
    ledger = Ledger()
    ledger.start()
    reopen = ledger.add(K.REOPEN, "08:30")
    assert ledger.state("08:40").ignored == ((reopen, Ignored.NOT_MET),)


def test_keeps_a_cadence_cycle_by_cycle():
    ledger = Ledger(T.UPDATE)
    ledger.start("08:00", minutes=60)
    ledger.add(K.MEET, "08:30")
    ledger.start("08:30", minutes=60)
    ledger.add(K.MEET, "09:45")
    ledger.start("09:45", minutes=60)
    state = ledger.state("10:00")
    assert (state.standing, state.due_at) == (ClockStanding.RUNNING, at("10:45"))
    assert [cycle.standing for cycle in state.earlier] == [
        ClockStanding.MET,
        ClockStanding.MET_LATE,
    ]
    assert [cycle.started_at for cycle in state.earlier] == [at("08:00"), at("08:30")]


def test_carries_a_pause_into_the_next_cycle():
    ledger = Ledger(T.UPDATE)
    ledger.start("08:00", minutes=60)
    ledger.add(K.PAUSE, "08:05", P.WAITING_CLIENT)
    ledger.add(K.RESUME, "08:10")
    ledger.add(K.PAUSE, "08:10", P.WAITING_CLIENT)
    ledger.add(K.MEET, "08:30")
    ledger.start("08:30", minutes=60)
    ledger.add(K.RESUME, "09:00")
    state = ledger.state("09:00")
    assert (state.due_at, parties(state)) == (at("10:00"), (0, 30, 0))
    assert len(state.pauses) == 1


@pytest.mark.parametrize(
    ("basis", "due", "elapsed"),
    [(RetargetBasis.CREATION, "08:30", 40), (RetargetBasis.CHANGE, "08:50", 20)],
)
def test_counts_a_changed_target_from_where_the_policy_says(basis, due, elapsed):
    ledger = Ledger()
    ledger.start("08:00", minutes=480)
    ledger.add(
        K.RETARGET, "08:20", "P3 to P1", target_minutes=30, calendar_key="always", basis=basis
    )
    state = ledger.state("08:40")
    assert (state.due_at, state.elapsed_seconds / 60) == (at(due), elapsed)
    assert (state.due_from_creation_at, state.due_from_change_at) == (at("08:30"), at("08:50"))
    assert (state.target_minutes, state.calendar_key) == (30, "always")


def test_reads_both_ways_alike_without_a_change():
    ledger = Ledger()
    ledger.start()
    state = ledger.state("08:10")
    assert state.due_from_creation_at == state.due_from_change_at == state.due_at


def test_counts_under_the_calendar_of_the_new_target():
    ledger = Ledger()
    ledger.start("06:00", minutes=480)  # two hours before opening
    ledger.add(K.RETARGET, "08:30", target_minutes=240, calendar_key="always")
    assert ledger.state("08:30").elapsed_seconds == 150 * 60


def test_keeps_the_verdict_when_the_target_changes_after_the_fulfilment():
    ledger = Ledger()
    ledger.start(minutes=60)
    ledger.add(K.MEET, "08:50")
    ledger.add(K.RETARGET, "09:30", target_minutes=15, calendar_key="office")
    assert ledger.state("10:00").standing == ClockStanding.MET
    ledger.add(K.REOPEN, "10:00")
    reopened = ledger.state("10:10")
    assert (reopened.standing, reopened.target_minutes) == (ClockStanding.BREACHED, 15)


# Corrections


def test_takes_an_event_back():
    ledger = Ledger()
    ledger.start()
    wrong = ledger.add(K.MEET, "08:10")
    ledger.add(K.CORRECT, "09:10", "not solved", corrects=wrong)
    assert ledger.state("09:20").standing == ClockStanding.BREACHED


def test_moves_an_event_to_when_it_really_was():
    ledger = Ledger()
    ledger.start()
    meet = ledger.add(K.MEET, "09:10")
    ledger.add(K.CORRECT, "10:00", "the call was earlier", corrects=meet, moved_to="08:50")
    state = ledger.state("10:00")
    assert (state.standing, state.met_at) == (ClockStanding.MET, at("08:50"))


def test_lets_the_newest_correction_win_and_a_correction_be_taken_back():
    ledger = Ledger()
    ledger.start()
    meet = ledger.add(K.MEET, "08:10")
    ledger.add(K.CORRECT, "09:00", corrects=meet)
    moved = ledger.add(K.CORRECT, "09:10", corrects=meet, moved_to="08:20")
    assert ledger.state("10:00").met_at == at("08:20")
    ledger.add(K.CORRECT, "09:20", corrects=moved)
    assert ledger.state("10:00").met_at is None


# What cannot have been recorded


@pytest.mark.parametrize(
    ("kind", "parts", "message"),
    [
        (K.START, {"calendar_key": "office"}, "target"),
        (K.RETARGET, {"target_minutes": 0, "calendar_key": "office"}, "target"),
        (K.START, {"target_minutes": 5}, "calendar version"),
        (K.PAUSE, {"reason": "lunch"}, "lunch"),
        (K.PAUSE, {"reason": "scheduled", "until": "07:00"}, "end before"),
        (K.CORRECT, {}, "names the event"),
        (K.CORRECT, {"corrects": 1, "moved_to": "09:00"}, "after it was recorded"),
        (K.MEET, {"recorded": "07:00"}, "after it was recorded"),
    ],
)
def test_refuses_an_event_that_cannot_be(kind, parts, message):
    with pytest.raises(LedgerError, match=message):
        Ledger().add(kind, "08:00", **parts)


def test_refuses_naive_instants():
    ledger = Ledger()
    ledger.add(K.MEET, "08:00")
    with pytest.raises(LedgerError, match="naive"):
        replace(ledger.events[0], recorded_at=at("08:00").replace(tzinfo=None))


def test_refuses_ledgers_that_contradict_themselves():
    ledger = Ledger()
    ledger.start(key="lost")
    with pytest.raises(LedgerError, match="lost"):
        ledger.state("09:00")
    first = ledger.events[0]
    for events, message in [
        ([first, replace(first, target=T.RESPONSE)], "two events"),
        ([first, replace(first, id=2, target=T.RESPONSE)], "one target"),
        ([replace(first, id=2, kind=K.CORRECT, corrects=7)], "no earlier"),
        ([replace(first, id=2, kind=K.CORRECT, corrects=2)], "no earlier"),
    ]:
        with pytest.raises(LedgerError, match=message):
            replay(events, CALENDARS, at("09:00"))


# Storage


def test_reads_back_what_it_stores():
    ledger = Ledger()
    ledger.start(vendor_pauses=True, warning_percents=(80, 100))
    ledger.add(K.PAUSE, "08:10", P.SCHEDULED, until="12:00")
    ledger.add(K.RESUME, "08:20", pause_id=2)
    ledger.add(
        K.RETARGET,
        "08:30",
        target_minutes=5,
        calendar_key="always",
        basis=RetargetBasis.CHANGE,
    )
    ledger.add(K.CORRECT, "08:40", "typo", corrects=3, moved_to="08:15")
    for event in ledger.events:
        stored = json.loads(json.dumps(event.payload())) | {"note": "kept by others"}
        read = ClockEvent.from_row(
            row_id=event.id,
            target=event.target.value,
            kind=event.kind.value,
            effective_at=event.effective_at,
            recorded_at=event.recorded_at,
            reason=event.reason,
            payload=stored,
        )
        assert read == event


def test_replays_every_clock_of_a_ticket():
    response, resolution = Ledger(T.RESPONSE), Ledger(T.RESOLUTION)
    response.start(minutes=15)
    resolution.start(minutes=60)
    shifted = [replace(event, id=event.id + 10) for event in resolution.events]
    states = replay_all([*shifted, *response.events], CALENDARS, at("08:20"))
    assert {target: state.standing for target, state in states.items()} == {
        T.RESPONSE: ClockStanding.BREACHED,
        T.RESOLUTION: ClockStanding.RUNNING,
    }


# Any history

steps = st.lists(
    st.tuples(
        st.sampled_from([None, P.WAITING_CLIENT, P.SCHEDULED, P.WAITING_VENDOR]),
        st.integers(0, 300),
    ),
    min_size=1,
    max_size=6,
)
added = st.lists(
    st.tuples(
        st.sampled_from([P.WAITING_CLIENT, P.WAITING_VENDOR]),
        st.integers(-30, 600),
        st.integers(0, 300),
    ),
    max_size=3,
)


def history(story, extra, *, vendor_pauses: bool, minutes: int, start: datetime):
    """Turn statuses in turn, and pauses added afterwards, into events and plain intervals."""
    events: list[ClockEvent] = []

    def record(kind, effective, recorded, reason="", **parts):
        events.append(
            ClockEvent(
                id=len(events) + 1,
                target=T.RESOLUTION,
                kind=kind,
                effective_at=effective,
                recorded_at=recorded,
                reason=reason,
                **parts,
            )
        )

    terms = {"target_minutes": minutes, "calendar_key": "c", "vendor_pauses": vendor_pauses}
    record(K.START, start, start, **terms)
    intervals, when = [], start
    for reason, length in story:
        if reason is None:
            record(K.RESUME, when, when)
        else:
            record(K.PAUSE, when, when, reason)
        until = when + length * MINUTE
        intervals.append((reason, when, until))
        when = until
    for reason, begun, length in extra:
        since = start + begun * MINUTE
        until = since + length * MINUTE
        if until <= when:
            record(K.PAUSE, since, when, reason, until=until)
            intervals.append((reason, since, until))
    if story[-1][0] is not None:
        record(K.RESUME, when, when)
    return events, intervals, when


@given(
    steps,
    added,
    st.booleans(),
    st.integers(1, 600),
    st.integers(0, 7 * 1440),
    st.sampled_from(["Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_agrees_with_a_walk_minute_by_minute(
    story, extra, vendor_pauses, minutes, offset, zone, dice
):
    calendar = Calendar.of(zone, [((540, 720), (780, 1050))] * 5 + [((1320, 120),), ()])
    start = datetime(2026, 3, 26, tzinfo=UTC) + offset * MINUTE  # Europe changes on the 29th
    events, intervals, now = history(
        story, extra, vendor_pauses=vendor_pauses, minutes=minutes, start=start
    )
    dice.shuffle(events)
    state = replay(events, {"c": calendar}, now)

    spent = dict.fromkeys(Party, 0)
    elapsed, due, minute = 0, None, start
    while minute < now or (due is None and minute < now + timedelta(days=12)):
        if counts(minute, calendar):
            names = {
                PARTY_OF_PAUSE[reason]
                for reason, since, until in intervals
                if reason is not None and since <= minute < until
            }
            party = next((p for p in (Party.CLIENT, Party.VENDOR) if p in names), Party.MSP)
            stopped = party == Party.CLIENT or (party == Party.VENDOR and vendor_pauses)
            if minute < now:
                spent[party] += 1
            if not stopped:
                elapsed += minute < now
                minutes -= 1
                if minutes == 0:
                    due = minute + MINUTE
        minute += MINUTE
    assert parties(state) == (spent[Party.MSP], spent[Party.CLIENT], spent[Party.VENDOR])
    assert state.elapsed_seconds == elapsed * 60
    assert state.due_at == due
    assert (state.standing == ClockStanding.BREACHED) == (due is not None and due <= now)


@st.composite
def ledgers(draw) -> list[ClockEvent]:
    """Draw any events at all, back-dated ones and nonsense included."""
    start = at("2026-03-27T06:00")
    kinds = [K.PAUSE, K.RESUME, K.MEET, K.REOPEN, K.RETARGET, K.CORRECT, K.START]
    target = draw(st.sampled_from(list(T)))
    events = []
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(kinds),
                st.integers(0, 300_000),
                st.integers(0, 20_000),
                st.sampled_from(list(PauseReason)),
                st.integers(0, 30_000),
                st.booleans(),
            ),
            max_size=9,
        )
    )
    for n, (kind, seconds, delay, reason, length, flag) in enumerate(
        [(K.START, 0, 0, 0, 60, 0), *rows]
    ):
        effective = start + timedelta(seconds=seconds)
        event = ClockEvent(
            id=n + 1,
            target=target,
            kind=kind if kind != K.CORRECT or n > 1 else K.RESUME,
            effective_at=effective,
            # Recorded after everything before it, so that corrections may look back.
            recorded_at=start + timedelta(seconds=400_000 + n) if n else start + MINUTE,
            reason=reason if kind == K.PAUSE else "",
            target_minutes=1 + length // 60,
            calendar_key="always" if flag else "office",
            vendor_pauses=bool(flag),
            basis=RetargetBasis.CHANGE if flag else RetargetBasis.CREATION,
            until=effective + timedelta(seconds=length) if flag and kind == K.PAUSE else None,
            corrects=2 + delay % (n - 1) if kind == K.CORRECT and n > 1 else None,
            moved_to=start + timedelta(seconds=delay) if flag and kind == K.CORRECT else None,
        )
        events.append(event)
    return events


@given(ledgers(), st.integers(0, 500_000), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_gives_one_state_for_a_set_of_events_however_they_arrive(events, seconds, dice):
    now = events[0].effective_at + timedelta(seconds=seconds)
    state = replay(events, CALENDARS, now)
    shuffled = [*events, *dice.sample(events, len(events) // 2)]  # some arrive twice
    dice.shuffle(shuffled)
    assert replay(shuffled, CALENDARS, now) == state


@given(ledgers(), st.integers(0, 500_000))
@settings(max_examples=300, deadline=None)
def test_keeps_its_sums_and_its_word(events, seconds):
    now = events[0].effective_at + timedelta(seconds=seconds)
    last = replay(events, CALENDARS, now)
    for state in [*last.earlier, last]:
        assert min(state.msp_seconds, state.client_seconds, state.vendor_seconds) >= 0
        assert state.elapsed_seconds <= state.total_seconds
        if state.target != T.VENDOR:
            wanted = (
                state.seconds_if_vendor_pauses
                if state.vendor_pauses
                else state.seconds_if_vendor_counts
            )
            assert state.elapsed_seconds == wanted
        late = state.standing in (ClockStanding.BREACHED, ClockStanding.MET_LATE)
        assert (state.breached_at is not None) == late
        if state.elapsed_seconds < state.target_minutes * 60:
            assert not late
        if state.elapsed_seconds > state.target_minutes * 60:
            assert late
        assert (state.met_at is not None) == (
            state.standing in (ClockStanding.MET, ClockStanding.MET_LATE)
        )
    assert last.next_look_at is None or last.next_look_at > now


def test_replays_ten_thousand_orders_alike():
    dice = random.Random(3)
    ledger = Ledger()
    ledger.start(vendor_pauses=True)
    ledger.add(K.PAUSE, "08:10", P.WAITING_CLIENT)
    ledger.add(K.PAUSE, "08:20", P.WAITING_VENDOR)
    ledger.add(K.RESUME, "08:50")
    ledger.add(K.MEET, "09:05")
    ledger.add(K.REOPEN, "09:30")
    ledger.add(K.PAUSE, "08:30", P.WAITING_CLIENT, recorded="10:00", until="08:45")
    ledger.add(K.CORRECT, "10:05", corrects=4, moved_to="08:40")
    wanted = ledger.state("10:30")
    events = list(ledger.events)
    for _ in range(10_000):
        dice.shuffle(events)
        assert replay(events, CALENDARS, at("10:30")) == wanted
