"""Rules with their versions, what they know of each series, alerts with their history."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import msp.core.clock
from msp.core.ddl import append_only, composite_fk


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_same_client_and_stored_ranges"),
        ("clients", "0002_same_client_and_append_only"),
        ("monitoring", "0001_telemetry"),
        ("tickets", "0002_same_client_and_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Listening",
            fields=[
                ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("until__gte", models.F("since"))),
                        name="monitoring_listening_forward",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Rule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("key", models.SlugField(blank=True, editable=False, max_length=40)),
                ("name", models.CharField(max_length=120, verbose_name="name")),
                ("metric", models.CharField(max_length=120, verbose_name="metric")),
                (
                    "instance_pattern",
                    models.CharField(blank=True, max_length=200, verbose_name="instances"),
                ),
                (
                    "roles",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("server", "Server"),
                                ("workstation", "Workstation"),
                                ("network", "Network device"),
                            ],
                            max_length=12,
                        ),
                        blank=True,
                        default=list,
                        size=None,
                        verbose_name="devices",
                    ),
                ),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("info", "Information"),
                            ("warning", "Warning"),
                            ("critical", "Critical"),
                        ],
                        max_length=10,
                        verbose_name="severity",
                    ),
                ),
                ("is_enabled", models.BooleanField(default=True, verbose_name="switched on")),
                ("opens_ticket", models.BooleanField(default=True, verbose_name="opens a ticket")),
                ("created_at", models.DateTimeField(default=msp.core.clock.now, editable=False)),
                (
                    "client",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alert_rules",
                        to="clients.client",
                        verbose_name="client",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "replaces",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="replaced_by",
                        to="monitoring.rule",
                        verbose_name="in place of",
                    ),
                ),
            ],
            options={
                "ordering": ["name", "id"],
            },
        ),
        migrations.CreateModel(
            name="RuleState",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("instance", models.CharField(blank=True, max_length=255)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ok", "OK"),
                            ("pending", "Pending"),
                            ("firing", "Firing"),
                            ("recovering", "Recovering"),
                            ("nodata", "Unknown"),
                        ],
                        max_length=10,
                    ),
                ),
                ("since_ms", models.BigIntegerField()),
                ("last_ms", models.BigIntegerField(null=True)),
                ("last_value", models.FloatField(null=True)),
                ("fired_ms", models.BigIntegerField(null=True)),
                ("last_group_id", models.BigIntegerField(null=True)),
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
                        related_name="rule_states",
                        to="agents.device",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="states",
                        to="monitoring.rule",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RuleVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                (
                    "side",
                    models.CharField(
                        choices=[("above", "above"), ("below", "below")], max_length=5
                    ),
                ),
                ("threshold", models.FloatField()),
                ("clear_threshold", models.FloatField()),
                ("free_below_bytes", models.BigIntegerField(null=True)),
                ("free_clear_bytes", models.BigIntegerField(null=True)),
                ("for_seconds", models.PositiveIntegerField()),
                ("keep_firing_for_seconds", models.PositiveIntegerField()),
                ("nodata_after_seconds", models.PositiveIntegerField()),
                ("created_at", models.DateTimeField(default=msp.core.clock.now)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="monitoring.rule",
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
            },
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("instance", models.CharField(blank=True, max_length=255, verbose_name="instance")),
                (
                    "severity",
                    models.CharField(
                        choices=[
                            ("info", "Information"),
                            ("warning", "Warning"),
                            ("critical", "Critical"),
                        ],
                        max_length=10,
                        verbose_name="severity",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("acknowledged", "Acknowledged"),
                            ("closed", "Closed"),
                        ],
                        default="open",
                        max_length=12,
                        verbose_name="state",
                    ),
                ),
                ("group_key", models.CharField(max_length=80)),
                ("summary", models.CharField(max_length=250, verbose_name="why")),
                ("value", models.FloatField(verbose_name="value")),
                ("opened_at", models.DateTimeField(verbose_name="since")),
                ("recorded_at", models.DateTimeField(default=msp.core.clock.now, editable=False)),
                ("closed_at", models.DateTimeField(null=True)),
                ("acknowledged_at", models.DateTimeField(null=True)),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="clients.client",
                    ),
                ),
                (
                    "device",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="agents.device",
                    ),
                ),
                (
                    "ticket",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="tickets.ticket",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="monitoring.rule",
                    ),
                ),
                (
                    "rule_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="monitoring.ruleversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AlertTransition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "from_state",
                    models.CharField(
                        choices=[
                            ("ok", "OK"),
                            ("pending", "Pending"),
                            ("firing", "Firing"),
                            ("recovering", "Recovering"),
                            ("nodata", "Unknown"),
                            ("acknowledged", "Acknowledged"),
                            ("closed", "Closed"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "to_state",
                    models.CharField(
                        choices=[
                            ("ok", "OK"),
                            ("pending", "Pending"),
                            ("firing", "Firing"),
                            ("recovering", "Recovering"),
                            ("nodata", "Unknown"),
                            ("acknowledged", "Acknowledged"),
                            ("closed", "Closed"),
                        ],
                        max_length=12,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField(default=msp.core.clock.now)),
                ("value", models.FloatField(null=True)),
                ("why", models.CharField(max_length=250)),
                (
                    "alert",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transitions",
                        to="monitoring.alert",
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="clients.client",
                    ),
                ),
            ],
            options={
                "ordering": ["at", "id"],
                "indexes": [
                    models.Index(fields=["alert", "at", "id"], name="monitoring_transition_alert")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "from_state__in",
                                [
                                    "ok",
                                    "pending",
                                    "firing",
                                    "recovering",
                                    "nodata",
                                    "acknowledged",
                                    "closed",
                                ],
                            ),
                            (
                                "to_state__in",
                                [
                                    "ok",
                                    "pending",
                                    "firing",
                                    "recovering",
                                    "nodata",
                                    "acknowledged",
                                    "closed",
                                ],
                            ),
                        ),
                        name="monitoring_alerttransition_states_known",
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=models.UniqueConstraint(
                condition=models.Q(("key", ""), _negated=True),
                fields=("key",),
                name="monitoring_rule_key_unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=models.UniqueConstraint(
                condition=models.Q(("replaces__isnull", False)),
                fields=("client", "replaces"),
                name="monitoring_rule_replaced_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("replaces__isnull", True), ("client__isnull", False), _connector="OR"
                ),
                name="monitoring_rule_only_a_client_replaces",
            ),
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ["info", "warning", "critical"])),
                name="monitoring_rule_severity_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=models.CheckConstraint(
                condition=models.Q(("roles__contained_by", ["server", "workstation", "network"])),
                name="monitoring_rule_roles_known",
            ),
        ),
        migrations.AddIndex(
            model_name="rulestate",
            index=models.Index(
                condition=models.Q(("state", "nodata"), _negated=True),
                fields=["last_ms"],
                name="monitoring_rulestate_silent",
            ),
        ),
        migrations.AddConstraint(
            model_name="rulestate",
            constraint=models.UniqueConstraint(
                fields=("rule", "device", "instance"), name="monitoring_rulestate_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="rulestate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["ok", "pending", "firing", "recovering", "nodata"])
                ),
                name="monitoring_rulestate_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="ruleversion",
            constraint=models.UniqueConstraint(
                fields=("rule", "number"), name="monitoring_ruleversion_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="ruleversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("clear_threshold__lte", models.F("threshold")), ("side", "above")),
                    models.Q(("clear_threshold__gte", models.F("threshold")), ("side", "below")),
                    _connector="OR",
                ),
                name="monitoring_ruleversion_clear_on_the_good_side",
            ),
        ),
        migrations.AddConstraint(
            model_name="ruleversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("free_below_bytes__isnull", True), ("free_clear_bytes__isnull", True)
                    ),
                    ("free_clear_bytes__gte", models.F("free_below_bytes")),
                    _connector="OR",
                ),
                name="monitoring_ruleversion_free_clears_above",
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("state", "closed"), _negated=True),
                fields=["rule", "client"],
                name="monitoring_alert_open_groups",
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("state", "closed")),
                fields=["-closed_at", "-id"],
                name="monitoring_alert_closed",
            ),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(fields=["opened_at"], name="monitoring_alert_opened"),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(fields=["device", "-opened_at"], name="monitoring_alert_device"),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(fields=["client", "-opened_at"], name="monitoring_alert_client"),
        ),
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("ticket__isnull", False)),
                fields=["ticket"],
                name="monitoring_alert_ticket",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                fields=("client", "id"), name="monitoring_alert_client_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "closed"), _negated=True),
                fields=("client", "rule", "device", "instance"),
                name="monitoring_alert_one_open",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["open", "acknowledged", "closed"])),
                name="monitoring_alert_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(("severity__in", ["info", "warning", "critical"])),
                name="monitoring_alert_severity_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", False), ("state", "closed")),
                    models.Q(
                        models.Q(("state", "closed"), _negated=True), ("closed_at__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="monitoring_alert_closed_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "acknowledged"), _negated=True),
                    models.Q(
                        ("acknowledged_at__isnull", False), ("acknowledged_by__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="monitoring_alert_acknowledged_has_person",
            ),
        ),
        # Whatever hangs on a device, a ticket or an alert is of the same client.
        composite_fk("monitoring_rulestate", "device_id", "agents_device"),
        composite_fk("monitoring_alert", "device_id", "agents_device"),
        composite_fk("monitoring_alert", "ticket_id", "tickets_ticket"),
        composite_fk("monitoring_alerttransition", "alert_id", "monitoring_alert"),
        append_only("monitoring_ruleversion"),
        append_only("monitoring_alerttransition"),
        # Rewritten by each evaluation: room on the page keeps these updates off the indexes.
        migrations.RunSQL(
            "ALTER TABLE monitoring_rulestate SET (fillfactor = 60)",
            "ALTER TABLE monitoring_rulestate RESET (fillfactor)",
        ),
    ]
