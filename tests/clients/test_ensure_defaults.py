"""A fresh installation can open its first ticket."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from clients.models import Calendar, SlaPolicy
from clients.selectors import promise_for
from msp.core import clock
from msp.core.errors import ServiceError
from msp.core.scope import SystemPrincipal
from tests.factories import clients as make


def test_a_promise_holds_for_a_client_without_a_contract(system: SystemPrincipal) -> None:
    acme = make.client("Acme")
    with pytest.raises(ServiceError):
        promise_for(client_id=acme.pk, site_id=None, at=clock.now())
    call_command("ensure_defaults", verbosity=0)
    # The first version holds from its making on.
    promise = promise_for(client_id=acme.pk, site_id=None, at=clock.now())
    assert promise.contract_id is None
    assert promise.targets["p1"]["response"] == 15


def test_running_it_again_changes_nothing(system: SystemPrincipal) -> None:
    call_command("ensure_defaults", verbosity=0)
    first = (Calendar.objects.get(is_default=True).pk, SlaPolicy.objects.get(is_default=True).pk)
    call_command("ensure_defaults", verbosity=0)
    assert (Calendar.objects.count(), SlaPolicy.objects.count()) == (1, 1)
    assert first == (
        Calendar.objects.get(is_default=True).pk,
        SlaPolicy.objects.get(is_default=True).pk,
    )
