"""Tell stories through the services: every step under its own time, in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring import services as monitoring
from monitoring.models import Alert, RuleVersion
from msp.core import clock, correlation, events
from msp.core.scope import Principal, SystemPrincipal, acting_as
from msp.demo.cast import Cast
from msp.demo.times import Back, When, instant
from tickets import services as tickets
from tickets.enums import Kind, MessageKind, Source, Status, WorkType
from tickets.models import TimeEntry

#: Time is approved on the next working morning; that of the last day still waits.
APPROVED_AT = "08:40"
VOLUME_RULE = "volume-nearly-full"
GIB = 1024**3


@dataclass(frozen=True)
class Step:
    """One thing somebody does on a ticket."""

    when: When
    who: str
    do: str
    text: str = ""
    minutes: int | None = None
    work: str = WorkType.REMOTE
    to: str = ""
    days: int = 0


@dataclass(frozen=True)
class Story:
    """A ticket, from how it came to how it ended, or where it stands."""

    when: When
    by: str
    client: str
    subject: str
    body: str
    priority: str = "p3"
    kind: str = Kind.INCIDENT
    contact: str = ""
    device: str = ""
    phone: bool = False
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Volume:
    """A volume that filled up: the alert opens the ticket."""

    when: When
    device: str
    instance: str
    used_ratio: float
    free_gib: float
    steps: tuple[Step, ...] = ()


def say(when: When, who: str, text: str) -> Step:
    return Step(when, who, "say", text)


def note(when: When, who: str, text: str) -> Step:
    return Step(when, who, "note", text)


def call(when: When, who: str, text: str, minutes: int) -> Step:
    return Step(when, who, "call", text, minutes)


def take(when: When, who: str) -> Step:
    return Step(when, who, "take")


def worked(when: When, who: str, minutes: int, text: str, work: str = WorkType.REMOTE) -> Step:
    return Step(when, who, "worked", text, minutes, work)


def wait(when: When, who: str, status: str) -> Step:
    return Step(when, who, "status", to=status)


def agree(when: When, who: str, days: int) -> Step:
    """Agree on a date some days ahead of the demo's own day."""
    return Step(when, who, "agree", days=days)


def solve(when: When, who: str, text: str) -> Step:
    return Step(when, who, "solve", text)


def close(when: When, who: str) -> Step:
    return Step(when, who, "close")


def clear(when: When) -> Step:
    """The volume has room again."""
    return Step(when, "", "clear")


@dataclass
class _Told:
    """What a story has made so far."""

    number: int = 0
    alert: Alert | None = None
    entries: list[TimeEntry] = field(default_factory=list)


@dataclass
class Teller:
    """Runs the steps of all stories in the order of time, and what follows from each."""

    cast: Cast
    now: datetime
    by: Principal = field(default_factory=lambda: SystemPrincipal("demo"))
    _acts: list[tuple[datetime, int, Principal, Callable[[], object]]] = field(default_factory=list)

    def add(self, stories: Iterable[Story | Volume]) -> None:
        """Line up the steps of stories.

        Errors: ValueError for a step that lies before the one it follows, or in the future.
        """
        for story in stories:
            told = _Told()
            last = instant(story.when, self.now)
            if isinstance(story, Story):
                self._line_up(last, self._who(story.by), self._opening(story, told))
            else:
                self._line_up(last, self.by, self._alarm(story, told, last))
            for step in story.steps:
                at = instant(step.when, self.now)
                if not last <= at <= self.now:
                    raise ValueError(f"{story}: {step} is out of order")
                last = at
                self._line_up(at, self._who(step.who), self._step(step, told))
                if step.do == "worked" and isinstance(step.when, Back) and step.when.days > 1:
                    self._approve_later(step.when, told)

    def act(self, when: When, by: Principal, what: Callable[[], object]) -> None:
        """Line up anything else."""
        self.act_at(instant(when, self.now), by, what)

    def act_at(self, at: datetime, by: Principal, what: Callable[[], object]) -> None:
        """Line up anything else at an instant."""
        self._line_up(at, by, what)

    def tell(self) -> None:
        """Run everything."""
        for at, order, by, what in sorted(self._acts, key=lambda act: act[:2]):
            with clock.at(at), correlation.correlated(f"demo-{order:06d}"):
                with acting_as(self.by):
                    tickets.sweep_clocks()
                with acting_as(by):
                    what()
                with acting_as(self.by):
                    events.deliver_all()
        with clock.at(self.now), acting_as(self.by):
            tickets.sweep_clocks()
            events.deliver_all()

    def _line_up(self, at: datetime, by: Principal, what: Callable[[], object]) -> None:
        self._acts.append((at, len(self._acts), by, what))

    def _who(self, short: str) -> Principal:
        return self.cast.people[short] if short else self.by

    def _opening(self, story: Story, told: _Told) -> Callable[[], object]:
        contact = self.cast.contacts.get(story.contact)
        device = self.cast.devices.get(story.device)

        def open_it() -> None:
            told.number = tickets.open_ticket(
                by=self._who(story.by),
                client_id=self.cast.clients[story.client].pk,
                subject=story.subject,
                body=story.body,
                kind=story.kind,
                source=Source.STAFF,
                priority=story.priority,
                contact_id=contact.pk if contact else None,
                device_id=device.pk if device else None,
                on_the_phone=story.phone,
            ).number
            if story.by in self.cast.contacts and story.priority != "p3":
                # What a contact reports gets its priority from whoever reads it first.
                reader = self.cast.people["ines"]
                with acting_as(reader):
                    tickets.change_priority(told.number, by=reader, priority=story.priority)

        return open_it

    def _alarm(self, story: Volume, told: _Told, at: datetime) -> Callable[[], object]:
        def raise_it() -> None:
            version = RuleVersion.objects.filter(rule__key=VOLUME_RULE).order_by("-number")[0]
            told.alert, _made = monitoring.raise_alert(
                by=self.by,
                version=version,
                device=self.cast.devices[story.device],
                instance=story.instance,
                value=story.used_ratio,
                free_bytes=story.free_gib * GIB,
                at=at,
            )
            if told.alert.ticket is not None:
                told.number = told.alert.ticket.number

        return raise_it

    def _approve_later(self, when: Back, told: _Told) -> None:
        manager = self.cast.people["mona"]

        def approve() -> None:
            for entry in told.entries:
                tickets.approve_time(entry.public_id, by=manager)

        self.act(Back(when.days - 1, APPROVED_AT), manager, approve)

    def _step(self, step: Step, told: _Told) -> Callable[[], object]:
        return lambda: getattr(self, f"_do_{step.do}")(step, told)

    def _do_say(self, step: Step, told: _Told) -> None:
        self._write(step, told, MessageKind.PUBLIC)

    def _do_note(self, step: Step, told: _Told) -> None:
        self._write(step, told, MessageKind.NOTE)

    def _do_call(self, step: Step, told: _Told) -> None:
        self._write(step, told, MessageKind.CALL)

    def _write(self, step: Step, told: _Told, kind: str) -> None:
        tickets.add_message(
            told.number, by=self._who(step.who), kind=kind, body=step.text, minutes=step.minutes
        )

    def _do_take(self, step: Step, told: _Told) -> None:
        by = self._who(step.who)
        tickets.assign_ticket(told.number, by=by, owner_id=by.pk)

    def _do_worked(self, step: Step, told: _Told) -> None:
        entry = tickets.log_time(
            told.number,
            by=self._who(step.who),
            minutes=step.minutes or 0,
            work_type=step.work,
            note=step.text,
        )
        told.entries.append(entry)

    def _do_status(self, step: Step, told: _Told) -> None:
        tickets.change_status(told.number, by=self._who(step.who), status=step.to)

    def _do_agree(self, step: Step, told: _Told) -> None:
        until = self.now.replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(
            days=step.days
        )
        tickets.change_status(
            told.number, by=self._who(step.who), status=Status.SCHEDULED, until=until
        )

    def _do_solve(self, step: Step, told: _Told) -> None:
        tickets.resolve_ticket(told.number, by=self._who(step.who), resolution=step.text)

    def _do_close(self, step: Step, told: _Told) -> None:
        tickets.close_ticket(told.number, by=self._who(step.who))

    def _do_clear(self, step: Step, told: _Told) -> None:
        if told.alert is not None:
            monitoring.clear_alert(told.alert, by=self.by, at=clock.now(), value=0.61)
