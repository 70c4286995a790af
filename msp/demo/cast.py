"""Who and what the demo is about: staff, clients, people, machines, contracts."""

from __future__ import annotations

import hashlib
import random
import secrets
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from agents import services as agents
from agents.models import Device
from clients import services as clients
from clients.enums import CoveredHours, CoveredWork
from clients.models import Client, Contact, Contract, Site
from msp.core.models import Role, User
from msp.core.scope import Principal
from msp.core.services.people import add_staff, give_role

PASSWORD_BYTES = 12
OWN_NAME = "Brightwater IT (ourselves)"
OWN_SITE = "Head office"
HARBOUR = "Harbour Dental Group"
OAKFIELD = "Oakfield Dental Care"
_HOUR = 60


@dataclass(frozen=True)
class SignIn:
    """One line of the sign-ins file."""

    who: str
    email: str
    password: str


@dataclass
class Cast:
    """Everybody and everything by the short names that the stories use."""

    people: dict[str, User] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    contracts: dict[str, Contract] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    sign_ins: list[SignIn] = field(default_factory=list)


#: Short name, sign-in label ("" is not listed), name, e-mail address, role.
STAFF = (
    ("ines", "Technician", "Ines Calder", "ines.calder@brightwater.example", "technician"),
    ("mona", "Service manager", "Mona Quist", "mona.quist@brightwater.example", "service_manager"),
    ("ada", "Administrator", "Ada Brandt", "ada.brandt@brightwater.example", "administrator"),
    ("bill", "Billing clerk", "Bill Okafor", "bill.okafor@brightwater.example", "billing_clerk"),
    ("samir", "", "Samir Voss", "samir.voss@brightwater.example", "technician"),
)


def add_people(cast: Cast, *, by: Principal) -> None:
    """Make the MSP's staff."""
    for short, who, name, email, role in STAFF:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        user = add_staff(email, name=name, by=by, password=password, zone="Europe/Dublin")
        give_role(user, Role.objects.get(key=role), by=by)
        cast.people[short] = user
        if who:
            cast.sign_ins.append(SignIn(who, email, password))


def add_clients(cast: Cast, *, by: Principal, today: date) -> None:
    """Make two rival clients with what they were promised, and our own office."""
    defaults = clients.ensure_defaults(by)
    plus = clients.add_policy(
        "Plus",
        by=by,
        targets={
            "p1": _target(15, 4 * _HOUR, 30, "always"),
            "p2": _target(30, 8 * _HOUR, 2 * _HOUR, "always"),
            "p3": _target(2 * _HOUR, 16 * _HOUR, 8 * _HOUR),
            "p4": _target(8 * _HOUR, 40 * _HOUR, None),
        },
        resolution_is_commitment=True,
    )
    surgery = clients.add_calendar(
        "Surgery hours",
        by=by,
        windows={
            **{day: [["08:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
            "sat": [["09:00", "13:00"]],
        },
        holidays=[f"{today.year}-12-25", f"{today.year}-12-26", f"{today.year + 1}-01-01"],
    )
    _add_harbour(cast, by=by, today=today, policy_id=plus.pk, calendar_id=surgery.pk)
    _add_oakfield(
        cast, by=by, today=today, policy_id=defaults.policy.pk, calendar_id=defaults.calendar.pk
    )
    own = clients.add_client(
        OWN_NAME, by=by, email_domains=["brightwater.example"], phone="+353 1 555 0100"
    )
    cast.clients["own"] = own
    cast.sites["own"] = clients.add_site(
        own.pk, by=by, name=OWN_SITE, address="4 Canal Row\nDublin 2"
    )


def _add_harbour(
    cast: Cast, *, by: Principal, today: date, policy_id: int, calendar_id: int
) -> None:
    client = clients.add_client(
        HARBOUR,
        by=by,
        phone="+353 1 555 0140",
        brand="harbour",
        email_domains=["harbourdental.example"],
        notes="Surgeries may not be disturbed between 08:30 and 12:30: ring reception first.",
    )
    cast.clients["harbour"] = client
    for short, name, address in (
        ("quay", "Custom House Quay", "18 Custom House Quay\nDublin 1"),
        ("marina", "Marina Square", "2 Marina Square\nDún Laoghaire"),
    ):
        cast.sites[short] = clients.add_site(
            client.pk, by=by, name=name, address=address, calendar_id=calendar_id
        )
    _add_contact(
        cast, "priya", client, "quay", by=by, who=f"Contact at {HARBOUR}", name="Priya Nair",
        email="priya.nair@harbourdental.example", title="Practice manager",
        roles=("manager", "approver", "billing"), phone="+353 1 555 0141",
    )  # fmt: skip
    _add_contact(
        cast, "tom", client, "marina", by=by, who=f"Employee at {HARBOUR}", name="Tom Brennan",
        email="tom.brennan@harbourdental.example", title="Dental nurse", phone="+353 1 555 0147",
    )  # fmt: skip
    _add_contact(
        cast, "niamh", client, "quay", by=by, name="Dr Niamh Farrell", title="Principal dentist",
        email="niamh.farrell@harbourdental.example", roles=("employee", "vip"),
        phone="+353 1 555 0142",
    )  # fmt: skip
    _add_contact(
        cast, "sofia", client, "marina", by=by, name="Sofia Lindgren", title="Reception",
        email="sofia.lindgren@harbourdental.example", phone="+353 1 555 0146",
    )  # fmt: skip
    contract = clients.add_contract(
        client.pk,
        by=by,
        name="Managed Plus",
        starts_on=date(today.year - 1, 1, 1),
        policy_id=policy_id,
        calendar_id=calendar_id,
        coverage=[
            _rule(CoveredWork.REMOTE, CoveredHours.ANY, "3.1 Remote help", covered=True),
            _rule(CoveredWork.ONSITE, CoveredHours.INSIDE, "3.2 Visits in hours", covered=True),
            _rule(CoveredWork.TRAVEL, CoveredHours.INSIDE, "3.2 Visits in hours", covered=True),
            _rule(CoveredWork.PROJECT, CoveredHours.ANY, "5.1 Projects", covered=False),
        ],
    )
    cast.contracts["harbour"] = clients.activate_contract(contract.pk, by=by)


def _add_oakfield(
    cast: Cast, *, by: Principal, today: date, policy_id: int, calendar_id: int
) -> None:
    client = clients.add_client(
        OAKFIELD, by=by, phone="+353 21 555 0160", brand="oakfield",
        email_domains=["oakfielddental.example"],
    )  # fmt: skip
    cast.clients["oakfield"] = client
    cast.sites["oak"] = clients.add_site(
        client.pk, by=by, name="Oakfield House", address="61 Oakfield Road\nCork"
    )
    _add_contact(
        cast, "owen", client, "oak", by=by, who=f"Contact at {OAKFIELD}", name="Owen Daly",
        email="owen.daly@oakfielddental.example", title="Office manager",
        roles=("manager", "billing"), phone="+353 21 555 0161",
    )  # fmt: skip
    _add_contact(
        cast, "ruth", client, "oak", by=by, name="Dr Ruth Hennessy", title="Dentist",
        email="ruth.hennessy@oakfielddental.example", roles=("employee", "vip"),
        phone="+353 21 555 0162",
    )  # fmt: skip
    _add_contact(
        cast, "lena", client, "oak", by=by, who=f"Employee at {OAKFIELD}", name="Lena Moss",
        title="Reception", email="lena.moss@oakfielddental.example", phone="+353 21 555 0163",
    )  # fmt: skip
    contract = clients.add_contract(
        client.pk,
        by=by,
        name="Essential",
        starts_on=date(today.year - 1, 7, 1),
        policy_id=policy_id,
        calendar_id=calendar_id,
        coverage=[
            _rule(CoveredWork.REMOTE, CoveredHours.INSIDE, "2.1 Help desk", covered=True),
            _rule(CoveredWork.ANY, CoveredHours.ANY, "4.2 Work by the hour", covered=False),
        ],
    )
    cast.contracts["oakfield"] = clients.activate_contract(contract.pk, by=by)


def _add_contact(
    cast: Cast,
    short: str,
    client: Client,
    site: str,
    *,
    by: Principal,
    who: str = "",
    **fields: Any,
) -> None:
    """Add a person at a client; with `who` also a sign-in to the portal."""
    contact = clients.add_contact(client.pk, by=by, site_id=cast.sites[site].pk, **fields)
    if who:
        contact = clients.invite_contact(contact.pk, by=by)
        user, password = contact.user, secrets.token_urlsafe(PASSWORD_BYTES)
        assert user is not None  # an invited contact has a sign-in
        user.set_password(password)
        user.save(update_fields=["password"])
        cast.people[short] = user
        cast.sign_ins.append(SignIn(who, user.email, password))
    cast.contacts[short] = contact


_WIN_SERVER = ("windows", "Windows Server 2022 Standard", "10.0.20348")
_WIN11 = ("windows", "Windows 11 Pro", "10.0.26100")
_DEBIAN = ("linux", "Debian GNU/Linux 12 (bookworm)", "6.1.0")
_MAC = ("macos", "macOS 15", "15.1")
_FIREWALL = ("linux", "OPNsense 24.7", "14.1-RELEASE")
#: Name, site, role, system.
DEVICES = (
    ("HDG-SRV01", "quay", "server", _WIN_SERVER),
    ("HDG-NAS01", "quay", "server", _DEBIAN),
    ("HDG-FW01", "quay", "network", _FIREWALL),
    ("HDG-RECEPTION1", "quay", "workstation", _WIN11),
    ("HDG-SURGERY1", "quay", "workstation", _WIN11),
    ("HDG-LT-FARRELL", "quay", "workstation", _MAC),
    ("MSQ-RECEPTION1", "marina", "workstation", _WIN11),
    ("MSQ-SURGERY2", "marina", "workstation", _WIN11),
    ("ODC-SRV01", "oak", "server", _WIN_SERVER),
    ("ODC-RECEPTION1", "oak", "workstation", _WIN11),
    ("ODC-SURGERY1", "oak", "workstation", _WIN11),
    ("ODC-LT-HENNESSY", "oak", "workstation", _WIN11),
)
AGENT_VERSION = "0.1.0"


def add_devices(cast: Cast, *, by: Principal, seed: int) -> None:
    """Enrol the clients' machines; their keys are random, so nobody can report in their name."""
    dice = random.Random(seed)  # noqa: S311 - serial numbers, not secrets
    tokens = {
        short: agents.make_enrolment_token(
            by=by, site_id=site.pk, label="Roll-out", max_uses=len(DEVICES)
        )[1]
        for short, site in cast.sites.items()
        if short != "own"
    }
    for name, site, role, (family, system, version) in DEVICES:
        board = hashlib.md5(f"{seed}:{name}".encode(), usedforsecurity=False).hexdigest()
        enrolled = agents.enrol_device(
            tokens[site],
            public_key=secrets.token_bytes(32),
            machine=agents.Machine(
                name=name,
                role=role,
                serial=f"BW{dice.randrange(10**7):07d}",
                board_uuid="-".join(
                    (board[:8], board[8:12], board[12:16], board[16:20], board[20:])
                ),
                macs=(f"3c:52:82:{dice.randrange(256):02x}:{dice.randrange(256):02x}:01",),
                os_family=family,
                os_name=system,
                os_version=version,
                agent_version=AGENT_VERSION,
            ),
        )
        cast.devices[name] = enrolled.device


def _target(response: int, resolution: int, update: int | None, hours: str = "contract") -> Any:
    return {
        "response": response,
        "update": update,
        "resolution": resolution,
        "internal": resolution,
        "hours": hours,
    }


def _rule(work: str, hours: str, clause: str, *, covered: bool) -> dict[str, Any]:
    return {"work_type": work, "hours": hours, "covered": covered, "clause": clause}
