"""A contact's site is of the contact's client; versions never change."""

from django.db import migrations

from msp.core.ddl import append_only, composite_fk


class Migration(migrations.Migration):
    dependencies = [
        ("clients", "0001_clients_and_contracts"),
        ("core", "0002_append_only_and_roles"),
    ]

    operations = [
        composite_fk("clients_contact", "site_id", "clients_site"),
        append_only("clients_calendarversion"),
        append_only("clients_slapolicyversion"),
        append_only("clients_prioritymatrixversion"),
    ]
