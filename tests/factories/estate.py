"""Make one of everything that a client can own, with one word in every text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, models

from agents.enums import DeviceState, IdentifierKind
from agents.models import (
    Device,
    DeviceKey,
    EnrolmentToken,
    Identifier,
    InventoryChange,
    InventorySection,
    SessionKey,
)
from agents.services import make_enrolment_token
from billing import services as billing
from billing.models import ClientPrice, ContractLine, CreditNote, DraftLine, Invoice
from billing.services import pdfs
from clients.enums import ContractState
from clients.models import Client, Contact, Contract, Site
from monitoring.models import Alert, DeviceEvent, Rule, RuleState
from monitoring.services import acknowledge_alert, clear_alert, raise_alert
from msp.core import clock, notify
from msp.core.models import Delivery, User
from msp.core.scope import SystemPrincipal, acting_as
from msp.core.tenancy import Tenancy
from tests.factories import billing as make_billing
from tests.factories import clients as make
from tests.factories import core as make_staff
from tests.factories import monitoring as make_monitoring
from tests.factories import tickets as make_tickets
from tickets import services as tickets
from tickets.models import Ticket, TimeEntry

MAKER = SystemPrincipal("factory")
PERIOD, EARLIER = date(2026, 11, 1), date(2026, 10, 1)
#: A Tuesday, 11:00 in Dublin, and one a month before.
NOW = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
THEN = datetime(2026, 10, 20, 10, 0, tzinfo=UTC)
#: Columns that cannot hold a word: codes, zones, digests, keys of ours.
NOT_WORDS = frozenset(
    {
        "brand", "calendar_zone", "channel", "country", "currency", "group_key", "key", "metric",
        "power", "public_key", "sha256", "source_ref", "token_sha256", "zone", "language",
        "boot_id", "event", "handler", "correlation_id", "content_type", "agent_version",
    }
)  # fmt: skip
#: Tables whose rows never change (or not once posted): their words come with the making.
FIXED = frozenset(
    {
        "tickets.Message", "tickets.ClockEvent", "monitoring.AlertTransition",
        "monitoring.DeviceEvent", "billing.Invoice", "billing.InvoiceLine", "billing.CreditNote",
        "billing.CreditNoteLine", "billing.DraftLine",
    }
)  # fmt: skip


@dataclass
class Estate:
    """A client and its things, by name; several of a kind where their state matters."""

    client: Client
    site: Site
    manager: User
    contact: Contact
    colleague: User
    contract: Contract
    draft_contract: Contract
    devices: list[Device]
    token: EnrolmentToken
    tickets: list[Ticket]
    time_entries: list[TimeEntry]
    rule: Rule
    alerts: list[Alert]
    profile: models.Model
    client_price: ClientPrice
    contract_line: ContractLine
    draft_lines: list[DraftLine]
    invoices: list[Invoice]
    credit_note: CreditNote
    delivery: Delivery


def estate(name: str, word: str, *, worker: User, now: datetime = NOW) -> Estate:
    """Make a client with one of everything; `word` is in every text that can hold it."""
    make_tickets.promise()
    domain = f"{word}.example"
    with acting_as(MAKER), clock.at(THEN):
        owner = make.client(f"{name} {word}", notes=word, phone=f"1 {word}", email_domains=[domain])
        site = make.site(owner, f"Works {word}", address=f"{word} Road")
        users = {
            person: _portal_user(owner, site, person, word, roles)
            for person, roles in (
                ("manager", ["manager", "billing", "technical"]),
                ("colleague", ["employee"]),
            )
        }
        contact = Contact.objects.get(client=owner, user=users["manager"])
        contract = make.contract(
            owner,
            name=f"Managed {word}",
            coverage=[
                {"work_type": "remote", "hours": "any", "covered": True, "clause": f"3.1 {word}"},
                {"work_type": "onsite", "hours": "any", "covered": False, "clause": f"4 {word}"},
            ],
        )
        draft_contract = make.contract(owner, name=f"Next {word}")
        Contract.objects.filter(pk=draft_contract.pk).update(state=ContractState.DRAFT)
        draft_contract.refresh_from_db()
        devices = [_device(owner, site, word, state) for state in ("active", "pending")]
        token, _secret = make_enrolment_token(by=MAKER, site_id=site.pk, label=f"For {word}")
        rule = make_monitoring.rule(f"Volume {word}", client_id=owner.pk)
        profile = make_billing.profile(
            owner, invoice_name=f"{word} Ltd", address=f"{word} Road", tax_id=f"IE {word}",
            reference=f"PO {word}", email=f"pay@{domain}",
        )  # fmt: skip
        contract_line = make_billing.contract_line(contract, name=f"Fee {word}")
        client_price = billing.add_client_price(
            owner.pk, by=MAKER, work_type="onsite", price_per_hour=Decimal(90),
            starts_on=date(2026, 1, 1),
        )  # fmt: skip
        rows = _tickets(owner, contact, devices[0], word, worker, THEN)
        entries = [_approved(rows["resolved"], word, worker)]
    with acting_as(MAKER), clock.at(THEN + timedelta(days=14)):
        billing.draft_month(contract.pk, period=EARLIER, by=MAKER)
        billing.draft_line_for_time(entries[0].pk, by=MAKER)
        posted = billing.post_invoice(owner.pk, period=EARLIER, by=MAKER)
        pdfs.render_invoice(posted.pk, by=MAKER)
        part = {posted.lines.filter(amount__gt=1)[0].public_id: Decimal(1)}
        credit = billing.credit_invoice(
            posted.public_id, by=MAKER, reason=f"Sorry {word}", amounts=part
        )
        pdfs.render_credit_note(credit.pk, by=MAKER)
        billing.draft_month(contract.pk, period=PERIOD, by=MAKER)
        draft = billing.draft_invoice(owner.pk, period=PERIOD, by=MAKER)
    with acting_as(MAKER), clock.at(now - timedelta(hours=1)):
        alerts, alert_ticket = _alerts(devices[0], rule, word, worker)
        rows |= _tickets(owner, contact, devices[0], word, worker, now - timedelta(minutes=50))
        entries.append(_approved(rows["resolved"], word, worker))
        billing.draft_line_for_time(entries[-1].pk, by=MAKER)
        entries.append(
            tickets.log_time(rows["waiting"].number, by=worker, minutes=20, note=f"Looked {word}")
        )
        entries.append(tickets.start_timer(rows["working"].number, by=worker))
        tickets.stop_timer(rows["working"].number, by=worker, note=f"Timed {word}")
        for number, user in enumerate((worker, *users.values())):
            notify.tell(
                user, key=f"estate:{owner.pk}:{number}", subject=f"News {word}", body=word,
                client_id=owner.pk,
            )  # fmt: skip
        delivery = Delivery.objects.create(
            event_id=owner.public_id, event="tickets.events.TicketOpened",
            handler="tickets.handlers.tell_about_opening", payload={"ticket": word},
            client_id=owner.pk, created_at=now, next_try_at=now, attempts=5, dead_at=now,
            last_error=f"Error {word}",
        )  # fmt: skip
        _facts_of(devices[0], word, now)
        _paint(owner, word)
        made = Estate(
            client=owner, site=site, manager=users["manager"], contact=contact,
            colleague=users["colleague"], contract=contract, draft_contract=draft_contract,
            devices=devices, token=token, tickets=[*rows.values(), alert_ticket],
            time_entries=entries, rule=rule, alerts=alerts, profile=profile,
            client_price=client_price, contract_line=contract_line,
            draft_lines=list(DraftLine.objects.filter(client=owner)),
            invoices=[posted, draft], credit_note=credit, delivery=delivery,
        )  # fmt: skip
        for row in vars(made).values():
            for one in row if isinstance(row, list) else [row]:
                one.refresh_from_db()
    return made


def owned(client: Client) -> list[tuple[type[models.Model], models.QuerySet[Any]]]:
    """Return every client-owned table with the client's rows in it; ask within a scope."""
    from_all = [model for model in _models() if model is not Client]
    return [(Client, Client.objects.filter(pk=client.pk))] + [
        (model, model._default_manager.filter(client_id=client.pk)) for model in from_all
    ]


def word_fields(model: type[models.Model]) -> list[str]:
    """Return the columns of a table in which people or machines write words."""
    return [
        field.name
        for field in model._meta.concrete_fields
        if isinstance(field, models.CharField | models.TextField)
        and not field.choices
        and field.name not in NOT_WORDS
    ]


def _models() -> list[type[models.Model]]:
    return [
        model
        for model in Client._meta.apps.get_models()
        if getattr(model, "tenancy", None) is Tenancy.TENANT
    ]


def _portal_user(owner: Client, site: Site, person: str, word: str, roles: list[str]) -> User:
    user = make.portal_user(
        owner.name, email=f"{person}@{word}.example", name=f"{person.title()} {word}", roles=roles
    )
    Contact.objects.filter(client=owner, user=user).update(
        site=site, phone=f"2 {word}", title=f"Title {word}"
    )
    return user


def _device(owner: Client, site: Site, word: str, state: str) -> Device:
    return Device.objects.create(
        client=owner, site=site, name=f"SRV-{state}-{word}", role="server",
        state=DeviceState(state), enrolled_at=clock.now(), notes=word, os_name=word,
        os_family=word, os_version=word,
    )  # fmt: skip


def _facts_of(device: Device, word: str, now: datetime) -> None:
    """Give a device reports, identifiers, inventory, a key and what its agent said."""
    make_monitoring.report(
        device, make_monitoring.volume(f"/srv/{word}", 0.95), at=now - timedelta(minutes=2)
    )
    same: dict[str, Any] = {"client_id": device.client_id, "device": device}
    Identifier.objects.create(**same, kind=IdentifierKind.SERIAL, value=f"S-{word}")
    InventorySection.objects.create(
        **same, section=f"disks {word}", sha256="0" * 64, content={"note": word}, seen_at=now
    )
    InventoryChange.objects.create(
        **same, section="disks", path=f"/{word}", old=word, new=word, at=now
    )
    key = DeviceKey.objects.create(**same, public_key=word.encode().ljust(32, b"."))
    SessionKey.objects.create(
        **same, device_key=key, sealed_secret=b"sealed", expires_at=clock.now() + timedelta(days=1)
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT monitoring_make_partition('monitoring_deviceevent', %s)", [now])
    DeviceEvent.objects.create(
        **same, epoch=1, seq=1, n=1, ts=now, received_at=now, kind=f"k-{word}", data={"a": word}
    )
    RuleState.objects.create(
        **same, rule=Rule.objects.filter(client_id=device.client_id)[0], instance=f"/{word}",
        state="ok", since_ms=0,
    )  # fmt: skip


def _tickets(
    owner: Client, contact: Contact, device: Device, word: str, worker: User, at: datetime
) -> dict[str, Ticket]:
    """Make tickets in several states, with words by everybody."""
    made = {}
    for state in ("new", "working", "waiting", "resolved"):
        with clock.at(at):
            ticket = make_tickets.ticket(
                owner, f"{state.title()} {word}", body=f"Says {word}", contact_id=contact.pk,
                device_id=device.pk, source_ref=word,
            )  # fmt: skip
            if state != "new":
                for kind in ("public", "note", "call"):
                    tickets.add_message(ticket.number, by=worker, kind=kind, body=f"{kind} {word}")
            if state == "waiting":
                tickets.change_status(ticket.number, by=worker, status="waiting_client")
            if state == "resolved":
                tickets.resolve_ticket(ticket.number, by=worker, resolution=f"Solved {word}")
        made[state] = ticket
    return made


def _approved(ticket: Ticket, word: str, worker: User) -> TimeEntry:
    entry = tickets.log_time(
        ticket.number, by=worker, minutes=50, work_type="onsite", note=f"Drove {word}"
    )
    return tickets.approve_time(entry.public_id, by=MAKER)


def _alerts(device: Device, rule: Rule, word: str, worker: User) -> tuple[list[Alert], Ticket]:
    """Make alerts in three states; the first has a ticket."""
    made = []
    for name in ("open", "known", "over"):
        alert, _new = raise_alert(
            by=MAKER, version=make_monitoring.version(rule), device=device,
            instance=f"/{name}/{word}", value=0.93, at=clock.now(),
        )  # fmt: skip
        made.append(alert)
    acknowledge_alert(made[1].public_id, by=worker)
    clear_alert(made[2], by=MAKER, at=clock.now(), value=0.4)
    return made, Ticket.objects.get(pk=made[0].ticket_id)


def _paint(owner: Client, word: str) -> None:
    """Put the word in every column that still lacks it, where rows may change."""
    for model, rows in owned(owner):
        if model._meta.label in FIXED:
            continue
        for name in word_fields(model):
            if model._meta.get_field(name).unique:
                continue
            for row in rows.exclude(**{f"{name}__contains": word}):
                rows.filter(pk=row.pk).update(
                    **{name: f"{word}{row.pk}@{word}.example" if "email" in name else word}
                )


def staff_of(client_ids: list[int], *, email: str = "rita@msp.example") -> User:
    """Make an administrator who reaches these clients only."""
    return make_staff.staff(
        "administrator", email=email, name="Rita Restricted", scope="set", client_ids=client_ids
    )
