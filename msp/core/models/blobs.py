"""Bytes that never change."""

from __future__ import annotations

from django.db import models

from msp.core import clock
from msp.core.tenancy import GlobalModel, PublicIdModel


class Blob(PublicIdModel, GlobalModel):
    """A document as issued: an invoice's PDF, an attachment. Its bytes never change.

    Reached only through the row that owns it; `client_id` is plain. Kept in the database, so that
    a document and the row that cites it are committed and backed up together (decision 0008).
    """

    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveIntegerField()
    content_type = models.CharField(max_length=100)
    client_id = models.BigIntegerField(null=True)
    content = models.BinaryField()
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return f"{self.content_type}, {self.size_bytes} bytes"
