"""The small world of a flow, made through the services: `python -m tests.flows.world`.

Prints JSON with the sign-ins, for tests whose own process has another database.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import django

django.setup()

from django.db import transaction  # noqa: E402

from billing import services as billing  # noqa: E402
from billing.enums import LineKind  # noqa: E402
from clients import services as clients  # noqa: E402
from clients.enums import CoveredHours, CoveredWork, Weekday  # noqa: E402
from msp.core import clock  # noqa: E402
from msp.core.models import Role  # noqa: E402
from msp.core.scope import SystemPrincipal, acting_as  # noqa: E402
from msp.core.services.people import add_staff, give_role  # noqa: E402

PASSWORD = "correct horse battery"
FEE, HOUR, TAX = Decimal(900), Decimal(120), Decimal("0.23")
BY = SystemPrincipal("flow")


def hours_now() -> dict[str, list[list[str]]]:
    """Return hours that are open now, an hour to each side, every day of the week."""
    now = datetime.now(UTC)
    window = [f"{now - timedelta(hours=1):%H:%M}", f"{now + timedelta(hours=1):%H:%M}"]
    return {day: [window] for day in Weekday.values}


@transaction.atomic
def make() -> dict[str, str]:
    """Make staff, two rival clients, a contract, prices; return what the test needs to know."""
    for role, name in (("technician", "Tess Ward"), ("service_manager", "Mona Quist")):
        user = add_staff(f"{role}@msp.example", name=name, by=BY, password=PASSWORD)
        give_role(user, Role.objects.get(key=role), by=BY)
    defaults = clients.ensure_defaults(BY)
    hours = clients.add_calendar("Two hours a day", by=BY, zone="UTC", windows=hours_now())
    for name, domain in (("Acme Foundry", "acme.example"), ("Rival Castings", "rival.example")):
        client = clients.add_client(name, by=BY, zone="UTC")
        site = clients.add_site(client.pk, by=BY, name="Works")
        contact = clients.add_contact(
            client.pk, by=BY, name=f"Ada of {name}", email=f"ada@{domain}", site_id=site.pk,
            roles=("manager", "billing"),
        )  # fmt: skip
        contact = clients.invite_contact(contact.pk, by=BY)
        contact.user.set_password(PASSWORD)
        contact.user.save(update_fields=["password"])
        contract = clients.add_contract(
            client.pk,
            by=BY,
            name="Managed",
            starts_on=date(clock.today().year - 1, 1, 1),
            policy_id=defaults.policy.pk,
            calendar_id=hours.pk,
            coverage=[
                _rule(CoveredWork.REMOTE, "3.1 Remote help", covered=True),
                _rule(CoveredWork.ONSITE, "4.2 Visits", covered=False),
            ],
        )
        clients.activate_contract(contract.pk, by=BY)
        billing.set_profile(
            client.pk, by=BY, invoice_name=f"{name} Ltd", address="1 Works Road", tax_ratio=TAX
        )
        billing.add_contract_line(
            contract.pk, by=BY, name="Monthly fee", kind=LineKind.FLAT, amount=FEE,
            starts_on=contract.starts_on,
        )  # fmt: skip
    billing.add_price_version(
        by=BY, work_type="onsite", currency="EUR", price_per_hour=HOUR,
        valid_from=date(clock.today().year - 1, 1, 1),
    )  # fmt: skip
    return {"password": PASSWORD, "opens": hours_now()["mon"][0][0]}


def _rule(work: str, clause: str, *, covered: bool) -> dict[str, object]:
    return {"work_type": work, "hours": CoveredHours.ANY, "covered": covered, "clause": clause}


if __name__ == "__main__":
    with acting_as(BY):
        print(json.dumps(make()))
