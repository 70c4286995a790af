"""A device that runs wild is told to wait; its neighbours notice nothing."""

from __future__ import annotations

import pytest

from monitoring.ingest import buckets
from monitoring.ingest.app import TelemetryApp
from monitoring.ingest.buckets import Buckets
from msp.core.scope import SystemPrincipal
from tests.monitoring.ingest import Answer, machine, post, rows_of, run


class Time:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def passing() -> Time:
    return Time()


def test_a_burst_passes_and_what_follows_waits_for_tokens(passing: Time) -> None:
    bucket = Buckets(rate=2.0, burst=3.0, monotonic=passing)
    assert [bucket.take(1) for _ in range(5)] == [True, True, True, False, False]
    passing.seconds += 0.5
    assert [bucket.take(1) for _ in range(2)] == [True, False]
    passing.seconds += 3600
    assert [bucket.take(1) for _ in range(4)] == [True, True, True, False]


def test_the_usual_pace_of_an_agent_is_never_refused(passing: Time) -> None:
    bucket = Buckets(monotonic=passing)
    for _ in range(3600):  # half an hour of backlog at two a second, live reports between
        passing.seconds += 0.5
        assert bucket.take(1)


def test_refused_tries_cost_no_tokens(passing: Time) -> None:
    bucket = Buckets(rate=1.0, burst=1.0, monotonic=passing)
    assert bucket.take(1)
    for _ in range(9):
        passing.seconds += 0.1
        assert not bucket.take(1)
    passing.seconds += 0.2
    assert bucket.take(1)


def test_devices_that_have_calmed_down_are_forgotten(
    passing: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "MAX_KNOWN", 10)
    bucket = Buckets(rate=1.0, burst=2.0, monotonic=passing)
    for device_id in range(10):
        bucket.take(device_id)
    passing.seconds += 10
    assert [bucket.take(99) for _ in range(3)] == [True, True, False]
    assert len(bucket._known) == 1


@pytest.mark.django_db(transaction=True)
def test_a_device_over_its_rate_is_told_when_to_come_back(system: SystemPrincipal) -> None:
    wild, calm = machine("Acme", "SRV-01"), machine("Acme", "SRV-02")

    async def work(app: TelemetryApp) -> list[Answer]:
        app._buckets = Buckets(rate=0.001, burst=2.0)
        answers = [await post(app, wild, wild.report()) for _ in range(3)]
        return [*answers, await post(app, calm, calm.report())]

    first, second, third, neighbour = run(work)
    assert [first.status, second.status, neighbour.status] == [200, 200, 200]
    assert (third.status, third.code) == (429, "over_rate")
    assert third.headers["retry-after"] == "10"
    assert (len(rows_of(wild)), len(rows_of(calm))) == (2, 1)
