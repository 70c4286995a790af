"""Tables of the ground floor."""

from msp.core.models.audit import AuditEntry
from msp.core.models.blobs import Blob
from msp.core.models.notifications import Notification
from msp.core.models.outbox import Delivery
from msp.core.models.users import Grant, Role, User

__all__ = ["AuditEntry", "Blob", "Delivery", "Grant", "Notification", "Role", "User"]
