"""A client, its places and its people."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from clients.enums import ClientState, ContactRole
from clients.querysets import ClientQuerySet, ContactQuerySet, SiteQuerySet
from msp.core import clock
from msp.core.tenancy import PublicIdModel, TenantManager, TenantModel, client_key


class Client(PublicIdModel, TenantModel):
    """A company the MSP serves; the root of every client-owned row.

    Merging is a pointer: `merged_into` names the client under which this one is read from then on.
    No other row is rewritten, so undoing is exact.
    """

    name = models.CharField(_("name"), max_length=160)
    state = models.CharField(
        _("state"), max_length=10, choices=ClientState.choices, default=ClientState.ACTIVE
    )
    currency = models.CharField(_("currency"), max_length=3, default="EUR")
    country = models.CharField(_("country"), max_length=2, default="IE")
    zone = models.CharField(_("time zone"), max_length=64, default="Europe/Dublin")
    phone = models.CharField(_("telephone"), max_length=40, blank=True)
    brand = models.SlugField(_("portal brand"), max_length=40, blank=True)
    email_domains = ArrayField(
        models.CharField(max_length=120),
        verbose_name=_("verified domains"),
        default=list,
        blank=True,
    )
    notes = models.TextField(_("pinned notes"), blank=True)
    priority_matrix = models.ForeignKey(
        "clients.PriorityMatrix", models.PROTECT, null=True, blank=True, related_name="clients"
    )
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, related_name="merged")
    merged_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = TenantManager.from_queryset(ClientQuerySet)()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=ClientState.values), name="clients_client_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(merged_into=models.F("id")), name="clients_client_not_into_itself"
            ),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True, merged_at__isnull=True)
                | Q(merged_into__isnull=False, merged_at__isnull=False),
                name="clients_client_merge_has_time",
            ),
        ]
        indexes = [
            # The client list, sorted by name.
            models.Index(Lower("name"), name="clients_client_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Site(PublicIdModel, TenantModel):
    """A client's place, with its network, its time zone and its hours."""

    client = models.ForeignKey(Client, models.PROTECT, related_name="sites")
    name = models.CharField(_("name"), max_length=120)
    address = models.TextField(_("address"), blank=True)
    zone = models.CharField(_("time zone"), max_length=64, default="Europe/Dublin")
    calendar = models.ForeignKey(
        "clients.Calendar", models.PROTECT, null=True, blank=True, related_name="sites"
    )
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = TenantManager.from_queryset(SiteQuerySet)()

    class Meta:
        ordering = ["name"]
        constraints = [
            client_key("clients_site"),
            models.UniqueConstraint("client", Lower("name"), name="clients_site_name_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class Contact(PublicIdModel, TenantModel):
    """A person at a client. One who may use the portal has a user; the arrow points down.

    The same person at two clients is two contacts with one user.
    """

    client = models.ForeignKey(Client, models.PROTECT, related_name="contacts")
    site = models.ForeignKey(Site, models.PROTECT, null=True, blank=True, related_name="contacts")
    user = models.ForeignKey(
        "core.User", models.PROTECT, null=True, blank=True, related_name="contacts"
    )
    name = models.CharField(_("name"), max_length=120)
    email = models.EmailField(_("e-mail address"), max_length=254)
    phone = models.CharField(_("telephone"), max_length=40, blank=True)
    title = models.CharField(_("position"), max_length=120, blank=True)
    roles = ArrayField(
        models.CharField(max_length=12, choices=ContactRole.choices),
        verbose_name=_("roles"),
        default=list,
        blank=True,
    )
    archived_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = TenantManager.from_queryset(ContactQuerySet)()

    class Meta:
        ordering = ["name"]
        constraints = [
            client_key("clients_contact"),
            models.UniqueConstraint("client", Lower("email"), name="clients_contact_email_unique"),
            models.UniqueConstraint(
                fields=["client", "user"],
                name="clients_contact_user_unique",
                condition=Q(user__isnull=False),
            ),
            models.CheckConstraint(
                condition=Q(roles__contained_by=ContactRole.values),
                name="clients_contact_roles_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_vip(self) -> bool:
        return ContactRole.VIP in self.roles
