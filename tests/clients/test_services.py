"""Use cases about clients, sites, contacts, hours and contracts."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.core import mail
from django.test import Client as Browser
from django.urls import reverse

from clients import services
from clients.enums import ContractState
from clients.models import CalendarVersion, Client, Contact
from clients.services.defaults import TARGETS
from msp.core import clock, notify
from msp.core.enums import UserKind
from msp.core.errors import BadInput, NotAllowed, NotVisible, Refused
from msp.core.models import AuditEntry, Notification, User
from msp.core.scope import acting_as
from tests.factories import clients as make
from tests.factories import core as make_core


def audited(action: str) -> AuditEntry:
    return AuditEntry.objects.filter(action=action).latest("pk")


# ---------------------------------------------------------------------------- clients and sites


def test_adds_a_client_and_says_so_in_the_audit(technician) -> None:
    with acting_as(technician):
        client = services.add_client(" Acme ", by=technician, email_domains=["@ACME.example", ""])
    assert (client.name, client.email_domains) == ("Acme", ["acme.example"])
    entry = audited("client.added")
    assert (entry.actor, entry.client_id) == (technician, client.pk)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "  "),
        ("zone", "Europe/Atlantis"),
        ("zone", "../etc/passwd"),
        ("currency", "euro"),
        ("country", "ie"),
        ("state", "sleeping"),
        ("brand", "No Spaces"),
        ("email_domains", ["not a domain"]),
    ],
)
def test_names_the_field_that_is_wrong(system, field, value) -> None:
    acme = make.client("Acme")
    with pytest.raises(BadInput) as caught:
        services.change_client(acme.pk, by=system, **{field: value})
    assert caught.value.field == field


def test_a_change_is_audited_with_what_was_before(system) -> None:
    acme = make.client("Acme")
    services.change_client(acme.public_id, by=system, state="leaving", phone="")
    entry = audited("client.changed")
    assert (entry.before, entry.after) == ({"state": "active"}, {"state": "leaving"})


def test_changing_nothing_writes_nothing(system) -> None:
    acme = make.client("Acme")
    services.change_client(acme.pk, by=system, name="Acme")
    assert not AuditEntry.objects.filter(action="client.changed").exists()


def test_a_field_nobody_may_set_is_the_callers_mistake(system) -> None:
    acme = make.client("Acme")
    with pytest.raises(TypeError, match="merged_into"):
        services.change_client(acme.pk, by=system, merged_into=None)


def test_staff_for_some_clients_cannot_add_one(system) -> None:
    acme = make.client("Acme")
    some = make_core.staff("technician", email="s@msp.example", scope="set", client_ids=[acme.pk])
    with acting_as(some), pytest.raises(NotAllowed, match="for all clients"):
        services.add_client("Birch", by=some)


def test_staff_for_some_clients_change_theirs_and_see_no_other(system) -> None:
    acme, rival = make.client("Acme"), make.client("Rival")
    some = make_core.staff("technician", email="s@msp.example", scope="set", client_ids=[acme.pk])
    with acting_as(some):
        assert services.change_client(acme.pk, by=some, phone="1").phone == "1"
        with pytest.raises(NotVisible):
            services.change_client(rival.pk, by=some, phone="1")
        with pytest.raises(NotVisible):
            services.add_site(rival.pk, by=some, name="X")


def test_the_billing_clerk_changes_no_client(billing_clerk) -> None:
    acme = make.client("Acme")
    with acting_as(billing_clerk), pytest.raises(NotAllowed):
        services.change_client(acme.pk, by=billing_clerk, phone="1")


def test_a_contact_changes_nothing_even_of_their_own_client(contact) -> None:
    acme = make.client("Acme")
    with acting_as(contact), pytest.raises(NotAllowed):
        services.change_client(acme.pk, by=contact, phone="1")


def test_a_site_has_its_clients_zone_and_a_name_of_its_own(system) -> None:
    acme = make.client("Acme", zone="Europe/Berlin")
    site = services.add_site(acme.pk, by=system, name="Works")
    assert site.zone == "Europe/Berlin"
    with pytest.raises(BadInput) as caught:
        services.add_site(acme.pk, by=system, name="WORKS")
    assert caught.value.field == "name"
    with pytest.raises(BadInput):
        services.change_site(site.pk, by=system, zone="Nowhere")


def test_archiving_is_undone_exactly_and_twice_is_once(system) -> None:
    site = make.site(make.client("Acme"))
    services.archive_site(site.pk, by=system, reason="sold")
    services.archive_site(site.pk, by=system)
    assert AuditEntry.objects.filter(action="site.archived").count() == 1
    assert audited("site.archived").reason == "sold"
    assert services.restore_site(site.pk, by=system).archived_at is None


# ------------------------------------------------------------------------------------- contacts


def test_a_contacts_site_is_of_the_same_client(system) -> None:
    acme = make.client("Acme")
    foreign = make.site(make.client("Rival"))
    with pytest.raises(NotVisible):
        services.add_contact(
            acme.pk, by=system, name="Ada", email="ada@acme.example", site_id=foreign.pk
        )


def test_an_address_is_once_for_each_client(system) -> None:
    acme, rival = make.client("Acme"), make.client("Rival")
    first = services.add_contact(acme.pk, by=system, name="Ada", email="Ada@Acme.example")
    assert first.email == "ada@acme.example"
    services.add_contact(rival.pk, by=system, name="Ada", email="ada@acme.example")
    with pytest.raises(BadInput) as caught:
        services.add_contact(acme.pk, by=system, name="Ada 2", email="ADA@acme.example")
    assert caught.value.field == "email"


@pytest.mark.parametrize(
    ("field", "value"), [("email", "not an address"), ("roles", ["king"]), ("name", "")]
)
def test_refuses_a_contact_that_makes_no_sense(system, field, value) -> None:
    acme = make.client("Acme")
    values = {"name": "Ada", "email": "ada@acme.example"} | {field: value}
    with pytest.raises(BadInput) as caught:
        services.add_contact(acme.pk, by=system, **values)
    assert caught.value.field == field


@pytest.fixture
def ada(system) -> Contact:
    return make.contact(make.client("Acme"), email="ada@acme.example", name="Ada Acme")


def test_an_invitation_makes_a_portal_user_who_can_set_a_password(
    ada, system, django_capture_on_commit_callbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        contact = services.invite_contact(ada.pk, by=system)
    assert (contact.user.kind, contact.user.email) == (UserKind.PORTAL, "ada@acme.example")
    assert not contact.user.has_usable_password()
    notify.send_due()
    link = next(word for word in mail.outbox[-1].body.split() if "/reset/key/" in word)
    browser = Browser()
    form = browser.get(link[link.index("/accounts/") :], follow=True)
    chosen = {"password1": "rather long words", "password2": "rather long words"}
    browser.post(form.redirect_chain[-1][0], chosen)
    assert User.objects.get(pk=contact.user_id).check_password("rather long words")
    # The link is used up.
    again = Browser().get(link[link.index("/accounts/") :], follow=True)
    assert again.context["token_fail"]


def test_an_invitation_never_shows_its_link_in_the_application(ada, system) -> None:
    services.invite_contact(ada.pk, by=system)
    assert set(Notification.objects.values_list("channel", flat=True)) == {"email"}


def test_one_person_at_two_clients_has_one_sign_in(ada, system) -> None:
    services.invite_contact(ada.pk, by=system)
    twin = make.contact(make.client("Birch"), email="ADA@acme.example", name="Ada")
    services.invite_contact(twin.pk, by=system)
    twin.refresh_from_db()
    ada.refresh_from_db()
    assert twin.user_id == ada.user_id is not None


def test_somebody_with_a_password_is_sent_to_the_sign_in(system) -> None:
    make.portal_user("Acme", email="ada@acme.example", name="Ada")
    twin = make.contact(make.client("Birch"), email="ada@acme.example")
    services.invite_contact(twin.pk, by=system)
    assert Notification.objects.get().url == reverse("account_login")


def test_an_address_of_staff_is_refused(technician, system) -> None:
    tess = make.contact(make.client("Acme"), email="Tess@msp.example")
    with pytest.raises(Refused, match="our staff") as caught:
        services.invite_contact(tess.pk, by=system)
    assert caught.value.code == "staff_address"
    assert not Notification.objects.exists()


def test_an_archived_contact_is_not_invited(ada, system) -> None:
    services.archive_contact(ada.pk, by=system)
    with pytest.raises(Refused, match="archived"):
        services.invite_contact(ada.pk, by=system)


def test_a_closed_sign_in_is_not_opened_by_an_invitation(ada, system) -> None:
    services.invite_contact(ada.pk, by=system)
    User.objects.filter(email=ada.email).update(is_active=False)
    with pytest.raises(Refused, match="closed"):
        services.invite_contact(ada.pk, by=system)


def test_a_double_click_mails_once_and_a_later_one_again(ada, system) -> None:
    at = datetime(2026, 6, 1, 9, tzinfo=UTC)
    for moment in (at, at, at.replace(hour=10)):
        with clock.at(moment):
            services.invite_contact(ada.pk, by=system)
    assert Notification.objects.count() == 2


def test_closing_the_portal_leaves_other_clients_alone(ada, system) -> None:
    services.invite_contact(ada.pk, by=system)
    twin = make.contact(make.client("Birch"), email="ada@acme.example")
    services.invite_contact(twin.pk, by=system)
    services.withdraw_invitation(ada.pk, by=system, reason="left")
    twin.refresh_from_db()
    assert twin.user is not None
    assert User.objects.get(pk=twin.user_id).scope.client_id == twin.client_id
    with pytest.raises(Refused):
        services.withdraw_invitation(ada.pk, by=system)


def test_an_archived_contact_has_left_the_portal_at_once(contact, system) -> None:
    person = Contact.objects.get(user=contact)
    services.archive_contact(person.pk, by=system)
    assert not User.objects.get(pk=contact.pk).scope.covers(person.client_id)


# -------------------------------------------------------------------------- calendars, policies


def test_a_new_version_follows_the_old_one(service_manager) -> None:
    with acting_as(service_manager):
        calendar = services.add_calendar("Hours", by=service_manager, windows=make.OFFICE)
        services.add_calendar_version(
            calendar.pk, by=service_manager, always=True, reason="24×7 sold"
        )
    numbers = list(calendar.versions.values_list("number", "always", "created_by"))
    assert numbers == [(2, True, service_manager.pk), (1, False, service_manager.pk)]
    assert audited("calendar.version_added").reason == "24×7 sold"


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"windows": {"mon": [["9", "17:00"]]}}, "mon", "Monday: “9” is not a time; write HH:MM"),
        (
            {"windows": {"mon": [["09:00", "12:00"], ["11:00", "13:00"]]}},
            "mon",
            "Monday: “11:00–13:00” overlaps",
        ),
        ({"windows": make.OFFICE, "zone": "Mars/Base"}, "zone", "no time zone “Mars/Base”"),
        ({"windows": make.OFFICE, "holidays": ["xmas"]}, "holidays", "“xmas” is not a date"),
        ({"windows": {}}, "", "at least one day"),
    ],
)
def test_says_in_words_what_is_wrong_with_hours(system, values, field, words) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        services.add_calendar("Hours", by=system, **values)
    assert caught.value.field == field
    assert not CalendarVersion.objects.exists()


@pytest.mark.parametrize(
    ("priority", "change", "field"),
    [
        ("p1", {"response": 0}, "p1_response"),
        ("p1", {"response": None}, "p1_response"),
        ("p2", {"resolution": 10}, "p2_resolution"),
        ("p3", {"update": "soon"}, "p3_update"),
        ("p3", {"internal": True}, "p3_internal"),
        ("p4", {"hours": "moon"}, "p4_hours"),
    ],
)
def test_names_the_target_that_is_wrong(system, priority, change, field) -> None:
    targets = {key: dict(row) for key, row in TARGETS.items()}
    targets[priority] |= change
    with pytest.raises(BadInput) as caught:
        services.add_policy("Gold", by=system, targets=targets)
    assert caught.value.field == field


def test_a_policy_needs_all_priorities_and_sane_warnings(system) -> None:
    with pytest.raises(BadInput, match="P1, P2, P3 and P4"):
        services.add_policy("Gold", by=system, targets={"p1": TARGETS["p1"]})
    with pytest.raises(BadInput, match="percentages"):
        services.add_policy("Gold", by=system, targets=TARGETS, warnings=[0])


def test_there_is_one_default_at_a_time(system) -> None:
    first = services.ensure_defaults(by=system).policy
    second = services.add_policy("Gold", by=system, targets=TARGETS)
    services.make_default_policy(second.public_id, by=system)
    first.refresh_from_db()
    assert not first.is_default
    assert audited("policy.made_default").target_id == str(second.pk)


def test_a_matrix_has_all_nine_cells(system) -> None:
    with pytest.raises(BadInput, match="nine"):
        services.add_matrix("Short", by=system, cells={"high:high": "p1"})


def test_hours_of_everybody_need_a_role_for_everybody(technician, system) -> None:
    acme = make.client("Acme")
    some = make_core.staff(
        "service_manager", email="s@msp.example", scope="set", client_ids=[acme.pk]
    )
    for person, reason in ((technician, "does not include"), (some, "for all clients")):
        with acting_as(person), pytest.raises(NotAllowed, match=reason):
            services.add_calendar("Hours", by=person, windows=make.OFFICE)


def test_a_name_is_taken_once(system) -> None:
    calendar = services.add_calendar("Hours", by=system, windows=make.OFFICE)
    other = services.add_calendar("Night", by=system, always=True)
    with pytest.raises(BadInput):
        services.add_calendar("Hours", by=system, windows=make.OFFICE)
    with pytest.raises(BadInput):
        services.rename_calendar(other.pk, by=system, name="Hours")
    assert services.rename_calendar(calendar.pk, by=system, name="Day").name == "Day"


# ------------------------------------------------------------------------------------ contracts

RULE = {"work_type": "any", "hours": "inside", "covered": True, "clause": "3"}


def draft(owner: Client, by, **fields):
    values = {
        "name": "Managed",
        "starts_on": date(2026, 1, 1),
        "policy_id": make.policy().pk,
        "calendar_id": make.calendar().pk,
        "coverage": [RULE],
    }
    return services.add_contract(owner.pk, by=by, **(values | fields))


def test_a_contract_is_drafted_changed_put_in_force_and_ended(service_manager) -> None:
    acme = make.client("Acme")
    with acting_as(service_manager), clock.at(datetime(2026, 6, 1, 12, tzinfo=UTC)):
        contract = draft(acme, service_manager)
        assert contract.state == ContractState.DRAFT
        services.change_contract(contract.pk, by=service_manager, ends_on=date(2027, 1, 1))
        assert audited("contract.changed").after == {"ends_on": "2027-01-01"}
        services.activate_contract(contract.pk, by=service_manager)
        with pytest.raises(Refused, match="Only a draft can be changed"):
            services.change_contract(contract.pk, by=service_manager, name="Other")
        with pytest.raises(Refused, match="Only a draft"):
            services.activate_contract(contract.pk, by=service_manager)
        ended = services.end_contract(contract.pk, by=service_manager, reason="cancelled")
        assert (ended.state, ended.ends_on) == (ContractState.ENDED, date(2026, 6, 1))
        with pytest.raises(Refused, match="Only an active"):
            services.end_contract(contract.pk, by=service_manager)


def test_an_end_ahead_leaves_it_in_force_until_then(system) -> None:
    contract = draft(make.client("Acme"), system)
    with clock.at(datetime(2026, 6, 1, 12, tzinfo=UTC)):
        services.activate_contract(contract.pk, by=system)
        coming = services.end_contract(contract.pk, by=system, ends_on=date(2026, 9, 30))
        assert coming.state == ContractState.ACTIVE
        sooner = services.end_contract(contract.pk, by=system, ends_on=date(2026, 8, 31))
        assert sooner.ends_on == date(2026, 8, 31)
        with pytest.raises(BadInput, match="before it began"):
            services.end_contract(contract.pk, by=system, ends_on=date(2025, 12, 31))


def test_a_draft_that_is_over_is_not_put_in_force(system) -> None:
    contract = draft(make.client("Acme"), system, ends_on=date(2026, 1, 31))
    with clock.at(datetime(2026, 2, 1, 12, tzinfo=UTC)), pytest.raises(Refused, match="last day"):
        services.activate_contract(contract.pk, by=system)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ends_on": date(2025, 1, 1)}, "ends_on"),
        ({"notice_days": -1}, "notice_days"),
        ({"whose_hours": "mine"}, "whose_hours"),
        ({"coverage": [RULE | {"work_type": "magic"}]}, "coverage"),
        ({"coverage": [RULE | {"hours": "never"}]}, "coverage"),
        ({"coverage": [RULE | {"clause": " "}]}, "coverage"),
        ({"coverage": [{"work_type": "any"}]}, "coverage"),
        ({"coverage": [RULE] * 51}, "coverage"),
    ],
)
def test_refuses_terms_that_make_no_sense(system, change, field) -> None:
    with pytest.raises(BadInput) as caught:
        draft(make.client("Acme"), system, **change)
    assert caught.value.field == field


def test_technicians_read_contracts_and_do_not_write_them(technician) -> None:
    acme = make.client("Acme")
    with acting_as(technician), pytest.raises(NotAllowed):
        draft(acme, technician)
