"""Add and change contacts; give them a sign-in to the portal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from clients.enums import ContactRole
from clients.models import Client, Contact, Site
from clients.services.common import Key, apply, checked_email, locked, need, only, unique
from msp.core import audit, clock, notify
from msp.core.enums import Channel, UserKind
from msp.core.errors import BadInput, NotVisible, Refused
from msp.core.models import User
from msp.core.permissions import require
from msp.core.scope import Principal

CONTACT_FIELDS = frozenset({"name", "email", "phone", "title", "roles", "site_id"})


@transaction.atomic
def add_contact(
    client_id: Key,
    *,
    by: Principal,
    name: str,
    email: str,
    phone: str = "",
    title: str = "",
    roles: Iterable[str] = (ContactRole.EMPLOYEE,),
    site_id: int | None = None,
) -> Contact:
    """Add a person at a client. The portal is not theirs before `invite_contact`.

    Errors: NotVisible, also for a site of another client; NotAllowed; BadInput, also for an
    address the client has already.
    """
    client = locked(Client, by, client_id)
    require(by, "clients.change", client.pk)
    values = _checked(
        {
            "name": name, "email": email, "phone": phone, "title": title, "roles": roles,
            "site_id": site_id,
        },
        client.pk,
        by,
    )  # fmt: skip
    contact = Contact(client=client, **values)
    with unique(_("This client has a contact with this address."), "email"):
        contact.save()
    audit.record("contact.added", contact, by=by, after=values)
    return contact


@transaction.atomic
def change_contact(contact_id: Key, *, by: Principal, **fields: Any) -> Contact:
    """Change what is given of `CONTACT_FIELDS`. Their sign-in keeps its own address.

    Errors: NotVisible, NotAllowed, BadInput.
    """
    only(CONTACT_FIELDS, fields)
    contact = locked(Contact, by, contact_id)
    require(by, "clients.change", contact.client_id)
    before, after = apply(contact, _checked(fields, contact.client_id, by))
    if after:
        with unique(_("This client has a contact with this address."), "email"):
            contact.save(update_fields=sorted(after))
        audit.record("contact.changed", contact, by=by, before=before, after=after)
    return contact


@transaction.atomic
def archive_contact(contact_id: Key, *, by: Principal, reason: str = "") -> Contact:
    """Take a person out of choice, and out of this client's portal at once.

    Errors: NotVisible, NotAllowed.
    """
    return _set_archived(contact_id, by=by, archived=True, reason=reason)


@transaction.atomic
def restore_contact(contact_id: Key, *, by: Principal) -> Contact:
    """Undo the archiving of a contact; a sign-in they had works again.

    Errors: NotVisible, NotAllowed.
    """
    return _set_archived(contact_id, by=by, archived=False)


@transaction.atomic
def invite_contact(contact_id: Key, *, by: Principal) -> Contact:
    """Give a contact a portal sign-in, and mail them how to use it.

    The user with the contact's address is linked, or made: one person may be a contact of several
    clients with one sign-in. Somebody without a password gets a link to set one (it works once, for
    PASSWORD_RESET_TIMEOUT); somebody with one gets the sign-in page. Inviting again mails again.

    Errors: NotVisible; NotAllowed; Refused for an archived contact, an address of staff, a closed
    sign-in, and one that another contact of this client has.
    """
    contact = locked(Contact, by, contact_id)
    require(by, "clients.change", contact.client_id)
    if contact.archived_at is not None:
        raise Refused(_("This contact is archived."), code="archived")
    user = contact.user or _user_for(contact, by)
    if not user.is_active:
        raise Refused(_("This person's sign-in was closed by an administrator."), code="closed")
    if contact.user_id is None:
        contact.user = user
        with unique(_("Another contact of this client has this sign-in."), "email"):
            contact.save(update_fields=["user"])
    audit.record("contact.invited", contact, by=by, after={"user": user.pk, "address": user.email})
    _mail_invitation(contact, user)
    return contact


@transaction.atomic
def withdraw_invitation(contact_id: Key, *, by: Principal, reason: str = "") -> Contact:
    """Take this client's portal away from a contact; at other clients they stay as they are.

    Errors: NotVisible; NotAllowed; Refused if they have no sign-in.
    """
    contact = locked(Contact, by, contact_id)
    require(by, "clients.change", contact.client_id)
    if contact.user_id is None:
        raise Refused(_("This contact has no portal sign-in."), code="no_sign_in")
    before = {"user": contact.user_id}
    contact.user = None
    contact.save(update_fields=["user"])
    audit.record(
        "contact.access_withdrawn",
        contact,
        by=by,
        reason=reason,
        before=before,
        after={"user": None},
    )
    return contact


def _set_archived(contact_id: Key, *, by: Principal, archived: bool, reason: str = "") -> Contact:
    contact = locked(Contact, by, contact_id)
    require(by, "clients.change", contact.client_id)
    if archived != (contact.archived_at is not None):
        contact.archived_at = clock.now() if archived else None
        contact.save(update_fields=["archived_at"])
        action = "contact.archived" if archived else "contact.restored"
        audit.record(action, contact, by=by, reason=reason)
    return contact


def _user_for(contact: Contact, by: Principal) -> User:
    """Return the portal user with the contact's address, made if absent."""
    user = User.objects.filter(email__iexact=contact.email).first()
    if user is None:
        user = User.objects.create_user(
            contact.email, None, name=contact.name, kind=UserKind.PORTAL, zone=contact.client.zone
        )
        audit.record(
            "user.added", user, by=by, client_id=contact.client_id, after={"kind": user.kind}
        )
    if user.is_staff_member:
        raise Refused(
            _("%(email)s is a sign-in of our staff; a contact needs an address of their own.")
            % {"email": contact.email},
            code="staff_address",
        )
    return user


def _mail_invitation(contact: Contact, user: User) -> None:
    words = {"name": user.name, "client": contact.client.name, "msp": settings.MSP_NAME}
    if user.has_usable_password():
        url = reverse(settings.LOGIN_URL)
        next_step = _("Sign in as before:")
    else:
        url = reverse(
            "account_reset_password_from_key",
            kwargs={
                "uidb36": user_pk_to_url_str(user),
                "key": default_token_generator.make_token(user),
            },
        )
        next_step = _("Set your password here:")
    body = (
        _("Hello %(name)s,\n\nyou may now use the support portal of %(msp)s for %(client)s.")
        % words
    )
    notify.tell(
        user,
        # A double click within one second is one mail.
        key=f"portal-invitation:{contact.pk}:{int(clock.now().timestamp())}",
        subject=_("Your access to the support portal of %(msp)s") % words,
        body=f"{body} {next_step}",
        url=url,
        client_id=contact.client_id,
        channels=(Channel.EMAIL,),
    )


def _checked(values: dict[str, Any], client_id: int, by: Principal) -> dict[str, Any]:
    checked = dict(values)
    if "name" in values:
        checked["name"] = need(values["name"], "name", most=120)
    if "email" in values:
        checked["email"] = checked_email(values["email"])
    if "roles" in values:
        checked["roles"] = sorted(set(values["roles"]))
        if unknown := set(checked["roles"]) - set(ContactRole.values):
            raise BadInput(
                _("There is no role “%(role)s”.") % {"role": sorted(unknown)[0]}, field="roles"
            )
    site_id = values.get("site_id")
    if site_id is not None:
        sites = Site.objects.visible_to(by).filter(pk=site_id, client=client_id)
        if not sites.exists():
            raise NotVisible
    return checked
