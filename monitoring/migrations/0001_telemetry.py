"""Samples and device events in partitions by time, and what the telemetry writer needs beside them.

Neither the application's nor the ingest's login owns a table, so partitions are made and dropped by
two functions that run with the owner's rights and can do nothing else.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

from msp.core.ddl import composite_fk

SAMPLE_TABLE = """
CREATE TABLE monitoring_sample (
    device_id bigint NOT NULL,
    ts timestamptz NOT NULL,
    layout_id integer NOT NULL,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    v real[] NOT NULL,
    PRIMARY KEY (device_id, ts, layout_id)
) PARTITION BY RANGE (ts);
COMMENT ON TABLE monitoring_sample IS 'one partition an hour; no foreign keys, by decision';
"""

EVENT_TABLE = """
CREATE TABLE monitoring_deviceevent (
    device_id bigint NOT NULL,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    n integer NOT NULL,
    ts timestamptz NOT NULL,
    client_id bigint NOT NULL REFERENCES clients_client (id),
    received_at timestamptz NOT NULL,
    kind varchar(64) NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (device_id, epoch, seq, n, ts)
) PARTITION BY RANGE (ts);
-- The history on the device page.
CREATE INDEX monitoring_event_device ON monitoring_deviceevent (device_id, ts DESC);
"""

# The step of each table is here and in `monitoring.services.partitions`; a test compares them.
# ATTACH locks out neither readers nor writers of the parent, which CREATE ... PARTITION OF does.
MAKE_PARTITION = """
CREATE FUNCTION monitoring_make_partition(parent text, moment timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $$
DECLARE
    step text := CASE parent
        WHEN 'monitoring_sample' THEN 'hour' WHEN 'monitoring_deviceevent' THEN 'month' END;
    starts timestamp;
    ends timestamp;
    partition text;
BEGIN
    IF step IS NULL THEN
        RAISE EXCEPTION 'no partitioned table of that name' USING ERRCODE = 'undefined_table';
    END IF;
    IF moment < now() - interval '31 days' OR moment > now() + interval '49 hours' THEN
        RAISE EXCEPTION 'no partition for %', moment USING ERRCODE = 'datetime_field_overflow';
    END IF;
    starts := date_trunc(step, moment AT TIME ZONE 'UTC');
    ends := starts + ('1 ' || step)::interval;
    partition := parent || '_'
        || to_char(starts, CASE step WHEN 'hour' THEN 'YYYYMMDDHH24' ELSE 'YYYYMM' END);
    PERFORM pg_advisory_xact_lock(hashtextextended(partition, 0));
    IF to_regclass('public.' || quote_ident(partition)) IS NULL THEN
        EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', partition, parent);
        EXECUTE format(
            'ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
            parent, partition, starts AT TIME ZONE 'UTC', ends AT TIME ZONE 'UTC');
    END IF;
    RETURN partition;
END $$;
REVOKE ALL ON FUNCTION monitoring_make_partition(text, timestamptz) FROM PUBLIC;
"""

DROP_PARTITIONS = """
CREATE FUNCTION monitoring_drop_partitions(parent text, before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s'
AS $$
DECLARE
    step text := CASE parent
        WHEN 'monitoring_sample' THEN 'hour' WHEN 'monitoring_deviceevent' THEN 'month' END;
    shape text := CASE step WHEN 'hour' THEN 'YYYYMMDDHH24' ELSE 'YYYYMM' END;
    partition text;
    dropped integer := 0;
BEGIN
    IF step IS NULL THEN
        RAISE EXCEPTION 'no partitioned table of that name' USING ERRCODE = 'undefined_table';
    END IF;
    -- Neither a mistake nor a thief with the application's login empties the recent past.
    IF before > now() - interval '7 days' THEN
        RAISE EXCEPTION 'the last seven days are kept' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR partition IN
        SELECT child.relname FROM pg_inherits
        JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = ('public.' || quote_ident(parent))::regclass
        ORDER BY child.relname
    LOOP
        CONTINUE WHEN to_timestamp(substr(partition, length(parent) + 2), shape)::timestamp
            + ('1 ' || step)::interval > before AT TIME ZONE 'UTC';
        EXECUTE format('DROP TABLE public.%I', partition);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
REVOKE ALL ON FUNCTION monitoring_drop_partitions(text, timestamptz) FROM PUBLIC;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("agents", "0002_same_client_and_stored_ranges"),
        ("clients", "0002_same_client_and_append_only"),
    ]

    operations = [
        migrations.CreateModel(
            name="Layout",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False)),
                ("digest", models.BinaryField(max_length=8, unique=True)),
                ("series", models.JSONField()),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="IngestGroup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("node", models.CharField(max_length=120)),
                ("number", models.BigIntegerField()),
                ("committed_at", models.DateTimeField()),
                ("evaluated_at", models.DateTimeField(null=True)),
                (
                    "devices",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), size=None
                    ),
                ),
                (
                    "epochs",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), size=None
                    ),
                ),
                (
                    "seqs",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), size=None
                    ),
                ),
                (
                    "ts_from",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.DateTimeField(), size=None
                    ),
                ),
                (
                    "ts_to",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.DateTimeField(), size=None
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("node", "number"), name="monitoring_ingestgroup_once"
                    )
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("evaluated_at__isnull", True)),
                        fields=["id"],
                        name="monitoring_group_waiting",
                    ),
                    models.Index(
                        condition=models.Q(("evaluated_at__isnull", False)),
                        fields=["evaluated_at"],
                        name="monitoring_group_done",
                    ),
                ],
            },
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="DeviceEvent",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "device",
                                "epoch",
                                "seq",
                                "n",
                                "ts",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("epoch", models.BigIntegerField()),
                        ("seq", models.BigIntegerField()),
                        ("n", models.IntegerField()),
                        ("ts", models.DateTimeField()),
                        ("received_at", models.DateTimeField()),
                        ("kind", models.CharField(max_length=64)),
                        ("data", models.JSONField()),
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
                                db_constraint=False,
                                db_index=False,
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="agents.device",
                            ),
                        ),
                    ],
                    options={"abstract": False},
                ),
            ],
            database_operations=[
                migrations.RunSQL(EVENT_TABLE, "DROP TABLE monitoring_deviceevent"),
            ],
        ),
        composite_fk("monitoring_deviceevent", "device_id", "agents_device"),
        migrations.RunSQL(SAMPLE_TABLE, "DROP TABLE monitoring_sample"),
        migrations.RunSQL(
            MAKE_PARTITION, "DROP FUNCTION monitoring_make_partition(text, timestamptz)"
        ),
        migrations.RunSQL(
            DROP_PARTITIONS, "DROP FUNCTION monitoring_drop_partitions(text, timestamptz)"
        ),
    ]
