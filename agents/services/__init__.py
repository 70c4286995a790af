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
from agents.services.sessions import (
    Session,
    SessionRefused,
    begin_session,
    device_key,
    drop_old_sessions,
)

__all__ = [
    "Enrolled",
    "EnrolmentRefused",
    "Machine",
    "Session",
    "SessionRefused",
    "approve_device",
    "begin_session",
    "change_device",
    "checkins",
    "credentials",
    "device_key",
    "drop_old_nonces",
    "drop_old_sessions",
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
