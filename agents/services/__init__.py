"""Use cases of `agents`.

`signature`, `credentials` and `checkins` are modules of the public face: the telemetry door of
`monitoring` calls them with its own database login.
"""

from agents.services import checkins, credentials, signature
from agents.services.devices import (
    approve_device,
    change_device,
    refresh_from_inventory,
    retire_device,
    revoke_key,
)
from agents.services.enrolment import (
    Enrolled,
    EnrolmentRefused,
    Machine,
    drop_old_nonces,
    enrol_device,
    issue_nonce,
    make_enrolment_token,
    revoke_enrolment_token,
    use_nonce,
)

__all__ = [
    "Enrolled",
    "EnrolmentRefused",
    "Machine",
    "approve_device",
    "change_device",
    "checkins",
    "credentials",
    "drop_old_nonces",
    "enrol_device",
    "issue_nonce",
    "make_enrolment_token",
    "refresh_from_inventory",
    "retire_device",
    "revoke_enrolment_token",
    "revoke_key",
    "signature",
    "use_nonce",
]
