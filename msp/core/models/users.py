"""People who sign in, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from msp.core import clock
from msp.core.enums import GrantScope, UserKind
from msp.core.scope import Plane, Scope, expand_family, portal_scope, staff_scope
from msp.core.tenancy import GlobalModel, PublicIdModel


@dataclass(frozen=True)
class LiveGrant:
    """A grant in force: a role's permissions over clients, merged families included."""

    scope_kind: str
    family_ids: frozenset[int]
    permissions: frozenset[str]


class UserManager(BaseUserManager["User"]):
    """Makes users; an e-mail address is compared without case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PublicIdModel, GlobalModel):
    """One person who signs in: staff of the MSP, or a contact of one or several clients.

    Written by administrators and by portal invitations; never deleted (`is_active` ends access,
    since audit rows name people by id).
    """

    email = models.EmailField(_("e-mail address"), max_length=254)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=10, choices=UserKind.choices)
    zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    language = models.CharField(_("language"), max_length=10, default="en")
    is_active = models.BooleanField(_("may sign in"), default=True)
    joined_at = models.DateTimeField(_("joined"), default=clock.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="core_user_email_unique"),
            models.CheckConstraint(
                condition=models.Q(kind__in=UserKind.values), name="core_user_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_staff_member(self) -> bool:
        return self.kind == UserKind.STAFF

    @property
    def is_portal_user(self) -> bool:
        return self.kind == UserKind.PORTAL

    @cached_property
    def scope(self) -> Scope:
        """What this person may reach; middleware replaces it for the active client of a session."""
        if not self.is_active:
            return Scope.none(Plane.STAFF if self.is_staff_member else Plane.PORTAL)
        if self.is_portal_user:
            return portal_scope(self, None)
        return staff_scope((grant.scope_kind, grant.family_ids) for grant in self.live_grants())

    @cached_property
    def _live_grants(self) -> list[LiveGrant]:
        # A grant for one ticket is not one for its client: until that is built, it opens nothing.
        rows = self.grants.select_related("role").filter(
            models.Q(ends_at__isnull=True) | models.Q(ends_at__gt=clock.now()),
            ticket_number__isnull=True,
        )
        return [
            LiveGrant(
                row.scope, expand_family(frozenset(row.client_ids)), frozenset(row.role.permissions)
            )
            for row in rows
        ]

    def live_grants(self) -> list[LiveGrant]:
        """Return the grants in force, read once for each instance."""
        return self._live_grants if self.is_staff_member and self.is_active else []

    def has_perm(self, permission: str, obj: object = None) -> bool:
        """Answer Django's question with no: rights are asked through `msp.core.permissions`."""
        return False

    def has_module_perms(self, label: str) -> bool:
        return False


class Role(GlobalModel):
    """A named set of permissions; changed by administrators."""

    key = models.SlugField(_("key"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=80)
    permissions = ArrayField(models.CharField(max_length=60), verbose_name=_("permissions"))

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Grant(GlobalModel):
    """A role given to a person for no client, listed clients or all, until it ends.

    `client_ids` are plain ids, so that core needs no key upward. An empty list grants nothing.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="grants")
    role = models.ForeignKey(Role, models.PROTECT, related_name="grants")
    scope = models.CharField(max_length=4, choices=GrantScope.choices)
    client_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    ticket_number = models.BigIntegerField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    given_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    given_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scope__in=GrantScope.values), name="core_grant_scope_known"
            ),
            models.CheckConstraint(
                condition=models.Q(scope="set") | models.Q(client_ids=[]),
                name="core_grant_ids_only_for_set",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.role_id} ({self.scope})"
