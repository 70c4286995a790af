"""The use cases of `clients`: its public face for edges and other apps.

A subject is named by its key or its public id, something new by its name; the rest is by keyword.
"""

from clients.services.clients import (
    add_client,
    add_site,
    archive_site,
    change_client,
    change_site,
    restore_site,
)
from clients.services.contacts import (
    add_contact,
    archive_contact,
    change_contact,
    invite_contact,
    restore_contact,
    withdraw_invitation,
)
from clients.services.contracts import (
    activate_contract,
    add_contract,
    change_contract,
    end_contract,
)
from clients.services.defaults import Defaults, ensure_defaults
from clients.services.hours import (
    add_calendar,
    add_calendar_version,
    add_matrix,
    add_matrix_version,
    add_policy,
    add_policy_version,
    make_default_calendar,
    make_default_policy,
    rename_calendar,
    rename_policy,
)
from clients.services.merging import merge_clients, unmerge_client

__all__ = [
    "Defaults",
    "activate_contract",
    "add_calendar",
    "add_calendar_version",
    "add_client",
    "add_contact",
    "add_contract",
    "add_matrix",
    "add_matrix_version",
    "add_policy",
    "add_policy_version",
    "add_site",
    "archive_contact",
    "archive_site",
    "change_client",
    "change_contact",
    "change_contract",
    "change_site",
    "end_contract",
    "ensure_defaults",
    "invite_contact",
    "make_default_calendar",
    "make_default_policy",
    "merge_clients",
    "rename_calendar",
    "rename_policy",
    "restore_contact",
    "restore_site",
    "unmerge_client",
    "withdraw_invitation",
]
