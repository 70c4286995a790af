"""Settings of the processes that the fault tests kill: real servers, the tests' own wiring."""

from msp.settings.test import *  # noqa: F403

OUTBOX_SUBSCRIPTIONS = "tests.faults.outbox.SUBSCRIPTIONS"
