"""What somebody needs to see or do billing; `msp.core.permissions` says for which clients."""

from __future__ import annotations

VIEW = "billing.view"
PREPARE = "billing.prepare"
POST = "billing.post"
