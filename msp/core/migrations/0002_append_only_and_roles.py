"""Rows that are only added, and the roles of a fresh installation."""

from django.db import migrations

from msp.core.ddl import REFUSE_FUNCTIONS, append_only

# Copied, not imported: a migration keeps the roles as they were when it was written.
VIEW = ["agents.view", "billing.view", "clients.view", "monitoring.view", "tickets.view"]
WORK = [
    "agents.change",
    "agents.enrol",
    "clients.change",
    "monitoring.acknowledge",
    "tickets.resolve",
    "tickets.work",
]
MANAGE = [
    "billing.post",
    "billing.prepare",
    "clients.contracts",
    "core.operations",
    "monitoring.rules",
    "tickets.approve_time",
]
ROLES = {
    "administrator": ("Administrator", [*VIEW, *WORK, *MANAGE, "clients.merge", "core.users"]),
    "service_manager": ("Service manager", [*VIEW, *WORK, *MANAGE]),
    "technician": ("Technician", [key for key in VIEW if key != "billing.view"] + WORK),
    "billing_clerk": (
        "Billing clerk",
        ["billing.post", "billing.prepare", "billing.view", "clients.view", "tickets.view"],
    ),
}


def add_roles(apps, schema_editor):
    role = apps.get_model("core", "Role")
    for key, (name, permissions) in ROLES.items():
        role.objects.update_or_create(
            key=key, defaults={"name": name, "permissions": sorted(permissions)}
        )


def drop_roles(apps, schema_editor):
    apps.get_model("core", "Role").objects.filter(key__in=ROLES).delete()


class Migration(migrations.Migration):
    dependencies = [("core", "0001_people_audit_outbox")]

    operations = [
        REFUSE_FUNCTIONS,
        append_only("core_auditentry"),
        append_only("core_blob"),
        migrations.RunPython(add_roles, drop_roles),
    ]
