"""What devices measured and said.

Samples themselves have no model: they are never loaded one by one. `monitoring_sample` is written
by the telemetry writer and read by `monitoring.selectors.telemetry`; its partitions are the work of
`monitoring.services.partitions`.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from agents.querysets import DeviceChildQuerySet
from msp.core.tenancy import GlobalModel, TenantManager, TenantModel


class Layout(GlobalModel):
    """An immutable ordered list of (metric, instance): what the values of a row mean.

    Written once by the telemetry writer, named on the wire by the first 8 bytes of the SHA-256 of
    its canonical JSON. It says nothing about whose devices use it.
    """

    id = models.AutoField(primary_key=True)
    digest = models.BinaryField(max_length=8, unique=True)
    series = models.JSONField()

    def __str__(self) -> str:
        return bytes(self.digest).hex()


class IngestGroup(GlobalModel):
    """One commit of the telemetry writer: the batches it stored, for the rules to evaluate.

    `number` has no gap within a node, and the row is part of the commit, so neither a lost message
    nor a late commit can hide samples from the rules. The arrays run in step, one place per
    stored batch with rows. Evaluation sets `evaluated_at`; evaluated groups are deleted later.
    """

    node = models.CharField(max_length=120)
    number = models.BigIntegerField()
    committed_at = models.DateTimeField()
    evaluated_at = models.DateTimeField(null=True)
    devices = ArrayField(models.BigIntegerField())
    epochs = ArrayField(models.BigIntegerField())
    seqs = ArrayField(models.BigIntegerField())
    ts_from = ArrayField(models.DateTimeField())
    ts_to = ArrayField(models.DateTimeField())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["node", "number"], name="monitoring_ingestgroup_once"),
        ]
        indexes = [
            # The sweep for groups whose hand-off was lost.
            models.Index(
                fields=["id"],
                condition=models.Q(evaluated_at__isnull=True),
                name="monitoring_group_waiting",
            ),
            # Dropping evaluated ones.
            models.Index(
                fields=["evaluated_at"],
                condition=models.Q(evaluated_at__isnull=False),
                name="monitoring_group_done",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.node} {self.number}"


class DeviceEvent(TenantModel):
    """One thing a device's agent said in words: a collector that failed, samples that were lost.

    (device, epoch, seq, n) names it, so a resent batch adds nothing; the time is in the key because
    the table is partitioned by month. Written by the telemetry writer, dropped with its partition.
    """

    pk = models.CompositePrimaryKey("device", "epoch", "seq", "n", "ts")
    client = models.ForeignKey("clients.Client", models.PROTECT, related_name="+")
    device = models.ForeignKey(
        "agents.Device", models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    epoch = models.BigIntegerField()
    seq = models.BigIntegerField()
    n = models.IntegerField()
    ts = models.DateTimeField()
    received_at = models.DateTimeField()
    kind = models.CharField(max_length=64)
    data = models.JSONField()

    objects = TenantManager.from_queryset(DeviceChildQuerySet)()

    def __str__(self) -> str:
        return f"{self.device_id} {self.kind}"
