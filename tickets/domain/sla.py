"""The clock as a ledger: what is due, met or breached follows from events and nothing else.

A ticket has one clock for each target. What happened to a clock is a set of ``ClockEvent``; the
set is only ever added to, and ``replay`` turns it into a ``ClockState``. The same set gives the
same state in whatever order it arrives, because events are sorted by when they took effect, then
by when they were recorded, then by id.

What the events mean:

* START begins a clock with its target, the key of its calendar version, and whether waiting for a
  vendor stops it. On a clock that was met it begins the next cycle (update cadence: write MEET,
  then START); on a running one it is ignored. What took effect before the start counts from it.
* PAUSE says that someone else must act, with a ``PauseReason``. Without ``until``, or with one
  still ahead, it is the state of the ticket: it lasts until then, or until the next RESUME, PAUSE
  or REOPEN. With an ``until`` already past when recorded it is an interval added afterwards: it
  stands by itself, and only a RESUME that names it shortens it. Pauses that overlap count once.
* RESUME ends the pauses in force that were recorded before it, or the one that ``pause_id`` names.
* MEET fulfils the promise. REOPEN takes the fulfilment back: the clock goes on from where it
  stood, and the time between the two belongs to nobody.
* RETARGET changes target and calendar, counted from creation or from the change. A clock that is
  met keeps its verdict; the new target holds if it is reopened.
* CORRECT names an earlier event and takes it back, or says when it really took effect.

A first response never pauses and is never taken back. Nothing here reads the time.

Source: product.md sections 2.2 and 4; model.md, ClockEvent and Clock; docs/sla.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from tickets.domain.worktime import (
    NEVER,
    Calendar,
    due_micros,
    elapsed_micros,
    instant_of,
    limit_of,
    micros_of,
    union,
)
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

WARNING_PERCENTS: Final = (50, 75, 100)  # product.md section 4

_MICROS: Final = 1_000_000
_MINUTE: Final = 60 * _MICROS

PARTY_OF_PAUSE: Final[Mapping[PauseReason, Party]] = MappingProxyType(
    {
        PauseReason.WAITING_CLIENT: Party.CLIENT,
        PauseReason.SCHEDULED: Party.CLIENT,
        PauseReason.WAITING_VENDOR: Party.VENDOR,
        PauseReason.WAITING_US: Party.MSP,
    }
)
"""Whose minutes a pause is. Together with the minutes of the clock's own party they are all."""

_OURS = frozenset({PauseReason.WAITING_CLIENT, PauseReason.SCHEDULED, PauseReason.WAITING_VENDOR})
ALLOWED_PAUSES: Final[Mapping[ClockTarget, frozenset[PauseReason]]] = MappingProxyType(
    {
        ClockTarget.RESPONSE: frozenset(),
        ClockTarget.UPDATE: _OURS,
        ClockTarget.RESOLUTION: _OURS,
        ClockTarget.INTERNAL: _OURS,
        ClockTarget.VENDOR: frozenset(
            {PauseReason.WAITING_CLIENT, PauseReason.SCHEDULED, PauseReason.WAITING_US}
        ),
    }
)
"""Which reasons may pause which clock; a pause for any other changes nothing."""

_PLAIN_KEYS = ("target_minutes", "calendar_key", "vendor_pauses", "pause_id", "corrects")
_INSTANT_KEYS = ("until", "moved_to")

#: What a person logs after speaking with somebody.
_CONVERSATIONS = frozenset({MessageKind.CALL, MessageKind.CHAT, MessageKind.VISIT})


class LedgerError(ValueError):
    """The events contradict themselves; a service must never have recorded them."""

    code = "clock_ledger"


class Ignored(StrEnum):
    """Why an event changed nothing."""

    ALREADY_STARTED = "already_started"
    ALREADY_MET = "already_met"
    NOT_MET = "not_met"
    NEVER_REOPENS = "never_reopens"
    PAUSE_NOT_ALLOWED = "pause_not_allowed"
    NOTHING_TO_RESUME = "nothing_to_resume"


def is_human_contact(
    message_kind: MessageKind, author_kind: AuthorKind, *, has_reader: bool
) -> bool:
    """Say whether a message counts as a first response.

    A public message by a person of ours, if somebody at the client is named to receive it
    (``has_reader``), or a call, chat or visit that one has logged; never automation, AI text,
    notes or system entries.

    Source: product.md section 2.2, "Response vs resolution".
    """
    if author_kind != AuthorKind.STAFF:
        return False
    return message_kind in _CONVERSATIONS or (message_kind == MessageKind.PUBLIC and has_reader)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockEvent:
    """One entry of the ledger: what happened to one clock, when it took effect, when we knew.

    ``id`` orders entries recorded at the same instant. ``target_minutes`` (>= 1),
    ``calendar_key``, ``vendor_pauses`` and ``warning_percents`` belong to START and RETARGET,
    ``basis`` to RETARGET, ``until`` to PAUSE, ``pause_id`` to RESUME, ``corrects`` and
    ``moved_to`` to CORRECT. The reason of a PAUSE is a ``PauseReason``, of others free text.

    Errors: LedgerError for a naive instant, an effect after its recording, or a missing part.
    """

    id: int
    target: ClockTarget
    kind: ClockEventKind
    effective_at: datetime
    recorded_at: datetime
    reason: str = ""
    target_minutes: int | None = None
    calendar_key: str | None = None
    vendor_pauses: bool = False
    warning_percents: tuple[int, ...] = WARNING_PERCENTS
    basis: RetargetBasis = RetargetBasis.CREATION
    until: datetime | None = None
    pause_id: int | None = None
    corrects: int | None = None
    moved_to: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse an entry that could not have been recorded."""
        instants = (self.effective_at, self.recorded_at, self.until, self.moved_to)
        if any(instant is not None and instant.tzinfo is None for instant in instants):
            raise LedgerError("an instant needs a zone: naive datetimes are refused")
        if self.effective_at > self.recorded_at:
            raise LedgerError("nothing takes effect after it was recorded")
        if self.kind in (ClockEventKind.START, ClockEventKind.RETARGET):
            if self.target_minutes is None or self.target_minutes < 1:
                raise LedgerError("a clock needs a target of at least one minute")
            if self.calendar_key is None:
                raise LedgerError("a clock needs a calendar version")
        if self.kind == ClockEventKind.PAUSE:
            if self.reason not in PauseReason.values:
                raise LedgerError(f"not a reason to pause: {self.reason!r}")
            if self.until is not None and self.until < self.effective_at:
                raise LedgerError("a pause cannot end before it begins")
        if self.kind == ClockEventKind.CORRECT:
            if self.corrects is None:
                raise LedgerError("a correction names the event that it corrects")
            if self.moved_to is not None and self.moved_to > self.recorded_at:
                raise LedgerError("nothing takes effect after it was recorded")

    @classmethod
    def from_row(
        cls,
        *,
        row_id: int,
        target: str,
        kind: str,
        effective_at: datetime,
        recorded_at: datetime,
        reason: str,
        payload: Mapping[str, Any],
    ) -> "ClockEvent":
        """Read an entry from its stored columns; keys of the payload that are not ours are left.

        Errors: LedgerError as for any entry; ValueError for an unknown word or a bad instant.
        """
        known: dict[str, Any] = {key: payload[key] for key in _PLAIN_KEYS if key in payload}
        for key in _INSTANT_KEYS:
            if payload.get(key) is not None:
                known[key] = datetime.fromisoformat(payload[key])
        if "warning_percents" in payload:
            known["warning_percents"] = tuple(payload["warning_percents"])
        if "basis" in payload:
            known["basis"] = RetargetBasis(payload["basis"])
        return cls(
            id=row_id,
            target=ClockTarget(target),
            kind=ClockEventKind(kind),
            effective_at=effective_at,
            recorded_at=recorded_at,
            reason=reason,
            **known,
        )

    def payload(self) -> dict[str, Any]:
        """Return the parts that have no column of their own, as JSON types."""
        stored: dict[str, Any] = {}
        if self.kind in (ClockEventKind.START, ClockEventKind.RETARGET):
            stored["target_minutes"] = self.target_minutes
            stored["calendar_key"] = self.calendar_key
            stored["vendor_pauses"] = self.vendor_pauses
            stored["warning_percents"] = list(self.warning_percents)
        if self.kind == ClockEventKind.RETARGET:
            stored["basis"] = self.basis.value
        for key in ("pause_id", "corrects"):
            if getattr(self, key) is not None:
                stored[key] = getattr(self, key)
        for key in _INSTANT_KEYS:
            if (instant := getattr(self, key)) is not None:
                stored[key] = instant.isoformat()
        return stored


@dataclass(frozen=True, slots=True)
class ClockPause:
    """One pause as it came out: [start_at, end_at), end None while it lasts."""

    event_id: int
    reason: PauseReason
    party: Party
    start_at: datetime
    end_at: datetime | None


@dataclass(frozen=True, slots=True)
class ClockWarning:
    """When a share of the target was, or will be, used up; None if a pause hides it."""

    percent: int
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """How one clock stands at one instant; a projection, equal for equal sets of events.

    Seconds are whole business seconds of the clock's calendar since ``counted_from``, up to
    ``met_at`` or now; those of the three parties sum to ``total_seconds``. ``breached_at`` is the
    due time once it has passed unmet. ``due_at`` is None while a pause without end leaves it
    open, or if it lies more than five years ahead. Of a clock that was reopened or restarted this
    is the present cycle; ``earlier`` has those that were met before a new START.
    """

    target: ClockTarget
    standing: ClockStanding
    started_at: datetime
    counted_from: datetime
    target_minutes: int
    calendar_key: str
    vendor_pauses: bool
    due_at: datetime | None
    due_from_creation_at: datetime | None
    due_from_change_at: datetime | None
    met_at: datetime | None
    breached_at: datetime | None
    elapsed_seconds: int
    msp_seconds: int
    client_seconds: int
    vendor_seconds: int
    paused_by: PauseReason | None
    paused_since: datetime | None
    pauses: tuple[ClockPause, ...]
    warnings: tuple[ClockWarning, ...]
    warned_percents: tuple[int, ...]
    reopened_count: int
    ignored: tuple[tuple[int, Ignored], ...]
    earlier: "tuple[ClockState, ...]"

    @property
    def total_seconds(self) -> int:
        """Return the business seconds of all parties together."""
        return self.msp_seconds + self.client_seconds + self.vendor_seconds

    @property
    def next_look_at(self) -> datetime | None:
        """Return when this state next changes by itself, by a warning or the breach; or None."""
        if self.met_at is not None:
            return None
        ahead = [
            warning.at
            for warning in self.warnings
            if warning.at is not None and warning.percent not in self.warned_percents
        ]
        if self.due_at is not None and self.breached_at is None:
            ahead.append(self.due_at)
        return min(ahead, default=None)

    @property
    def used_ratio(self) -> float:
        """Return the elapsed share of the target, above 1 when late."""
        return self.elapsed_seconds / (self.target_minutes * 60)

    @property
    def seconds_if_vendor_pauses(self) -> int:
        """Return what would have elapsed under the reading that a vendor's minutes never count."""
        if self.target == ClockTarget.VENDOR:
            return self.elapsed_seconds
        return self.msp_seconds

    @property
    def seconds_if_vendor_counts(self) -> int:
        """Return what would have elapsed under the reading that a vendor's minutes count."""
        if self.target == ClockTarget.VENDOR:
            return self.elapsed_seconds
        return self.msp_seconds + self.vendor_seconds


def replay_all(
    events: Iterable[ClockEvent], calendars: Mapping[str, Calendar], now: datetime
) -> dict[ClockTarget, ClockState]:
    """Replay every clock of one ticket; targets without a started clock are left out.

    Errors: LedgerError as for ``replay``.
    """
    by_target: dict[ClockTarget, list[ClockEvent]] = {}
    for event in events:
        by_target.setdefault(event.target, []).append(event)
    states = {}
    for target in ClockTarget:
        if target in by_target:
            state = replay(by_target[target], calendars, now)
            if state is not None:
                states[target] = state
    return states


def replay(
    events: Iterable[ClockEvent], calendars: Mapping[str, Calendar], now: datetime
) -> ClockState | None:
    """Work out how a clock stands at ``now`` from all that is known to have happened to it.

    ``events`` are those of one clock in any order; what takes effect after ``now`` is left out,
    what was only recorded later is not. ``calendars`` maps calendar version keys to calendars.
    None if the clock has not started.

    Errors: LedgerError if the events are of several targets, share an id, correct an event that
    is not there, or name an unknown calendar.
    """
    instant = micros_of(now)
    ledger = [(effective, event) for effective, event in _effective(events) if effective <= instant]
    first = next(
        (n for n, (_, event) in enumerate(ledger) if event.kind == ClockEventKind.START), None
    )
    if first is None:
        return None
    started, start = ledger.pop(first)
    run = _Run(start, started, calendars)
    for effective, event in ledger:
        run.take(event, max(effective, started))
    return run.state(instant)


def _effective(events: Iterable[ClockEvent]) -> list[tuple[int, ClockEvent]]:
    """Return (effective microseconds, event) in order, with the corrections applied."""
    by_id: dict[int, ClockEvent] = {}
    for event in events:
        if by_id.setdefault(event.id, event) != event:
            raise LedgerError(f"two events have the id {event.id}")
    if len({event.target for event in by_id.values()}) > 1:
        raise LedgerError("a clock has one target")
    newest_first = sorted(
        (event for event in by_id.values() if event.kind == ClockEventKind.CORRECT),
        key=_recorded,
        reverse=True,
    )
    moved: dict[int, datetime | None] = {}
    for correction in newest_first:
        named = by_id.get(correction.corrects or 0)
        if named is None or _recorded(named) >= _recorded(correction):
            raise LedgerError(f"event {correction.id} corrects no earlier event")
        # The newest word on an event wins, and a correction taken back says nothing.
        if correction.id not in moved:
            moved.setdefault(named.id, correction.moved_to)
    found = []
    for event in by_id.values():
        at = moved.get(event.id, event.effective_at)
        if at is not None and event.kind != ClockEventKind.CORRECT:
            found.append((micros_of(at), event))
    return sorted(found, key=lambda entry: (entry[0], *_recorded(entry[1])))


def _recorded(event: ClockEvent) -> tuple[datetime, int]:
    """Return what orders events by when we knew of them."""
    return (event.recorded_at, event.id)


@dataclass(slots=True)
class _OpenPause:
    """A pause while the ledger is read, in microseconds; ``NEVER`` until something ends it."""

    event: ClockEvent
    start: int
    end: int
    stands_alone: bool

    @property
    def reason(self) -> PauseReason:
        return PauseReason(self.event.reason)

    @property
    def party(self) -> Party:
        return PARTY_OF_PAUSE[self.reason]


class _Run:
    """One clock while its ledger is read in order of effect. Instants are microseconds."""

    def __init__(self, start: ClockEvent, at: int, calendars: Mapping[str, Calendar]) -> None:
        """Begin the first cycle."""
        self.target = start.target
        # A vendor's clock runs in the vendor's name, every other in ours.
        self.own_party = Party.VENDOR if self.target == ClockTarget.VENDOR else Party.MSP
        self.calendars = calendars
        self.pauses: list[_OpenPause] = []
        self.ignored: list[tuple[int, Ignored]] = []
        self.earlier: list[ClockState] = []
        self._begin(start, at)

    def _begin(self, start: ClockEvent, at: int) -> None:
        self.started = at
        self.terms = start
        self.changed: int | None = None
        self.next_terms: tuple[ClockEvent, int] | None = None
        self.met: int | None = None
        self.gaps: list[tuple[int, int]] = []
        self.reopened_count = 0

    def take(self, event: ClockEvent, at: int) -> None:
        """Apply the next event, which takes effect at ``at``."""
        match event.kind:
            case ClockEventKind.START:
                why = self._restart(event, at)
            case ClockEventKind.PAUSE:
                why = self._pause(event, at)
            case ClockEventKind.RESUME:
                why = self._resume(event, at)
            case ClockEventKind.MEET:
                why = self._meet(at)
            case ClockEventKind.REOPEN:
                why = self._reopen(event, at)
            case _:
                why = self._retarget(event, at)
        if why is not None:
            self.ignored.append((event.id, why))

    def _restart(self, event: ClockEvent, at: int) -> Ignored | None:
        if self.met is None:
            return Ignored.ALREADY_STARTED
        self.earlier.append(self.state(at))
        self._begin(event, at)
        return None

    def _pause(self, event: ClockEvent, at: int) -> Ignored | None:
        if event.reason not in ALLOWED_PAUSES[self.target]:
            return Ignored.PAUSE_NOT_ALLOWED
        until = NEVER if event.until is None else micros_of(event.until)
        stands_alone = event.until is not None and event.until <= event.recorded_at
        if not stands_alone:
            self._end_pauses(event, at)
        self.pauses.append(_OpenPause(event, at, max(at, until), stands_alone))
        return None

    def _resume(self, event: ClockEvent, at: int) -> Ignored | None:
        if event.pause_id is None:
            ended = self._end_pauses(event, at)
        else:
            ended = False
            for pause in self.pauses:
                if pause.event.id == event.pause_id and pause.end > at:
                    pause.end, ended = at, True
        return None if ended else Ignored.NOTHING_TO_RESUME

    def _end_pauses(self, event: ClockEvent, at: int) -> bool:
        """End what is in force, unless it was recorded by someone who knew of ``event``."""
        ended = False
        for pause in self.pauses:
            known = _recorded(pause.event) < _recorded(event)
            if pause.end > at and known and not pause.stands_alone:
                pause.end, ended = at, True
        return ended

    def _meet(self, at: int) -> Ignored | None:
        if self.met is not None:
            return Ignored.ALREADY_MET
        self.met = at
        return None

    def _reopen(self, event: ClockEvent, at: int) -> Ignored | None:
        if self.target == ClockTarget.RESPONSE:
            return Ignored.NEVER_REOPENS
        if self.met is None:
            return Ignored.NOT_MET
        self.gaps.append((self.met, at))
        self.met = None
        self.reopened_count += 1
        self._end_pauses(event, at)
        if self.next_terms is not None:
            self._change_terms(*self.next_terms)
            self.next_terms = None
        return None

    def _retarget(self, event: ClockEvent, at: int) -> Ignored | None:
        if self.met is None:
            self._change_terms(event, at)
        else:
            self.next_terms = (event, at)
        return None

    def _change_terms(self, event: ClockEvent, at: int) -> None:
        self.terms = event
        self.changed = at

    def state(self, now: int) -> ClockState:
        """Judge the present cycle as it stands at ``now``."""
        terms = self.terms
        calendar = self._calendar()
        end = now if self.met is None else self.met
        latest = NEVER if self.met is None else self.met  # nothing pauses a clock that is met
        from_change = self.started if self.changed is None else self.changed
        by_change = terms.kind == ClockEventKind.RETARGET and terms.basis == RetargetBasis.CHANGE
        counted_from = from_change if by_change else self.started

        spans: dict[Party, list[tuple[int, int]]] = {}
        for pause in self.pauses:
            spans.setdefault(pause.party, []).append((pause.start, min(pause.end, latest)))

        # Take the gaps away, then each party's pauses: what each step removes is that party's.
        # Seconds are rounded down before they are subtracted, so that the parts sum exactly.
        taken = union(self.gaps)
        stops = list(taken)
        left = elapsed_micros(calendar, counted_from, end, taken) // _MICROS
        seconds = dict.fromkeys(Party, 0)
        for party in (Party.CLIENT, Party.VENDOR, Party.MSP):
            if party == self.own_party or party not in spans:
                continue
            taken = union([*taken, *spans[party]])
            rest = elapsed_micros(calendar, counted_from, end, taken) // _MICROS
            seconds[party] = left - rest
            left = rest
            if self._stops(party):
                stops = taken
        seconds[self.own_party] = left

        target = (terms.target_minutes or 0) * _MINUTE

        def due(begun: int, micros: int) -> int | None:
            return due_micros(calendar, begun, micros, stops, limit_of(instant_of(begun)))

        due_at = due(counted_from, target)
        # Met at the due instant is in time; at that instant and not met is breached.
        late = due_at is not None and (end > due_at or (self.met is None and end == due_at))
        paused_by = paused_since = None
        for pause in self.pauses:
            if self.met is None and self._stops(pause.party) and pause.start <= now < pause.end:
                paused_by, paused_since = pause.reason, pause.start
        if self.met is not None:
            standing = ClockStanding.MET_LATE if late else ClockStanding.MET
        elif late:
            standing = ClockStanding.BREACHED
        else:
            standing = ClockStanding.RUNNING if paused_by is None else ClockStanding.PAUSED
        warnings = [
            (percent, due(counted_from, max(1, target * percent // 100)))
            for percent in terms.warning_percents
        ]
        return ClockState(
            target=self.target,
            standing=standing,
            started_at=instant_of(self.started),
            counted_from=instant_of(counted_from),
            target_minutes=terms.target_minutes or 0,
            calendar_key=terms.calendar_key or "",
            vendor_pauses=terms.vendor_pauses,
            due_at=_instant(due_at),
            due_from_creation_at=_instant(due(self.started, target)),
            due_from_change_at=_instant(due(from_change, target)),
            met_at=_instant(self.met),
            breached_at=_instant(due_at) if late else None,
            elapsed_seconds=elapsed_micros(calendar, counted_from, end, stops) // _MICROS,
            msp_seconds=seconds[Party.MSP],
            client_seconds=seconds[Party.CLIENT],
            vendor_seconds=seconds[Party.VENDOR],
            paused_by=paused_by,
            paused_since=_instant(paused_since),
            pauses=tuple(
                ClockPause(
                    pause.event.id,
                    pause.reason,
                    pause.party,
                    instant_of(pause.start),
                    None if pause.end == NEVER else instant_of(pause.end),
                )
                for pause in self.pauses
                if pause.end > max(pause.start, self.started)
            ),
            warnings=tuple(ClockWarning(percent, _instant(at)) for percent, at in warnings),
            warned_percents=tuple(
                percent
                for percent, at in warnings
                if at is not None and (at <= now if self.met is None else at < self.met)
            ),
            reopened_count=self.reopened_count,
            ignored=tuple(self.ignored),
            earlier=tuple(self.earlier),
        )

    def _stops(self, party: Party) -> bool:
        """Say whether minutes of a party that is not our own leave the clock standing."""
        return party != Party.VENDOR or self.terms.vendor_pauses

    def _calendar(self) -> Calendar:
        try:
            return self.calendars[self.terms.calendar_key or ""]
        except KeyError:
            raise LedgerError(f"no calendar version {self.terms.calendar_key!r}") from None


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else instant_of(micros)
