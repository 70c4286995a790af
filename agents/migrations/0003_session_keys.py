"""Session keys: sealed, of the device's client, and of one key of that device."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

import msp.core.clock
from msp.core.ddl import composite_fk


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_same_client_and_stored_ranges"),
        ("clients", "0002_same_client_and_append_only"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="devicekey",
            constraint=models.UniqueConstraint(
                fields=("client", "id"), name="agents_devicekey_client_key"
            ),
        ),
        migrations.CreateModel(
            name="SessionKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("sealed_secret", models.BinaryField(max_length=80)),
                ("created_at", models.DateTimeField(default=msp.core.clock.now)),
                ("expires_at", models.DateTimeField()),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clients.client",
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="session_keys",
                        to="agents.device",
                    ),
                ),
                (
                    "device_key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sessions",
                        to="agents.devicekey",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["expires_at"], name="agents_sessionkey_expiry")],
            },
        ),
        composite_fk("agents_sessionkey", "device_id", "agents_device"),
        composite_fk("agents_sessionkey", "device_key_id", "agents_devicekey"),
    ]
