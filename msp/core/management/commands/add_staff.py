"""Let a person in: a staff user with one role, and a link under which they choose a password."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse

from msp.core.errors import ServiceError
from msp.core.models import Role, User
from msp.core.scope import SystemPrincipal, acting_as
from msp.core.services.people import add_staff, give_role

SECONDS_PER_HOUR = 3600


class Command(BaseCommand):
    help = (
        "Add a member of staff with a role for all clients. No mail is sent: the command prints a "
        "link under which this person chooses a password; it works once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", required=True, help="as colleagues and clients see it")
        parser.add_argument("--role", required=True, help="a key such as administrator, technician")
        parser.add_argument("--zone", default="UTC", help="IANA time zone (default: UTC)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            validate_email(options["email"])
        except ValidationError:
            raise CommandError(f"{options['email']!r} is no e-mail address.") from None
        role = Role.objects.filter(key=options["role"]).first()
        if role is None:
            keys = ", ".join(Role.objects.values_list("key", flat=True)) or "none"
            raise CommandError(
                f"There is no role {options['role']!r}. Roles: {keys}. "
                "(None at all? Run manage.py setup_database first.)"
            )
        principal = SystemPrincipal("manage.py add_staff")
        try:
            with acting_as(principal), transaction.atomic():
                user = add_staff(
                    options["email"], name=options["name"], by=principal, zone=options["zone"]
                )
                give_role(user, role, by=principal, reason="added on the command line")
        except ServiceError as error:
            raise CommandError(error.message) from error
        hours = settings.PASSWORD_RESET_TIMEOUT // SECONDS_PER_HOUR
        self.stdout.write(f"{user.name} <{user.email}> was added as {role.name}.")
        self.stdout.write(f"To choose a password, once, within {hours} hours:")
        self.stdout.write(password_link(user))


def password_link(user: User) -> str:
    """Return an address under which this person chooses a password; it works until they did."""
    path = reverse(
        "account_reset_password_from_key",
        kwargs={
            "uidb36": user_pk_to_url_str(user),
            "key": default_token_generator.make_token(user),
        },
    )
    return f"{settings.PUBLIC_URL}{path}"
