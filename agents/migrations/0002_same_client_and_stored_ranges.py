"""Everything of a device is of the device's client; check-ins know which batches are stored."""

from django.db import migrations

from msp.core.ddl import composite_fk

CHILDREN = (
    "agents_devicecheckin",
    "agents_identifier",
    "agents_inventorysection",
    "agents_inventorychange",
    "agents_devicekey",
)


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0001_devices_and_identity"),
        ("clients", "0002_same_client_and_append_only"),
    ]

    operations = [
        composite_fk("agents_device", "site_id", "clients_site"),
        composite_fk("agents_device", "merged_into_id", "agents_device"),
        composite_fk("agents_enrolmenttoken", "site_id", "clients_site"),
        *[composite_fk(table, "device_id", "agents_device") for table in CHILDREN],
        # Written by the telemetry writer alone, in SQL: Django has no multirange field.
        migrations.RunSQL(
            "ALTER TABLE agents_devicecheckin ADD COLUMN stored int8multirange "
            "NOT NULL DEFAULT '{}'::int8multirange",
            "ALTER TABLE agents_devicecheckin DROP COLUMN stored",
        ),
        # Updated by each report: room on the page keeps these updates off the indexes.
        migrations.RunSQL(
            "ALTER TABLE agents_devicecheckin SET (fillfactor = 50)",
            "ALTER TABLE agents_devicecheckin RESET (fillfactor)",
        ),
    ]
