"""What an alert says of each metric, in units people read."""

from __future__ import annotations

import pytest
from django.urls import reverse

from monitoring.domain.catalogue import CATALOGUE
from monitoring.domain.selection import SILENCE
from monitoring.models import RuleVersion
from monitoring.notifications import (
    PHRASES,
    clear_words,
    condition_words,
    summary_of,
    value_words,
)
from msp.core.models import User

from .test_views import FORM, signed_in


def test_says_something_only_of_metrics_that_are_in_the_catalogue() -> None:
    assert set(PHRASES) - {SILENCE} <= set(CATALOGUE)


@pytest.mark.parametrize("metric", sorted(set(PHRASES)))
def test_leaves_no_place_in_a_phrase_unfilled(metric: str) -> None:
    text = summary_of(metric, "thing", 0.5, None)
    assert "%(" not in text
    known = CATALOGUE.get(metric)
    assert ("thing" in text) == bool(known and known.instance)


@pytest.mark.parametrize(
    ("metric", "value", "words"),
    [
        ("system.network.io.rate", 12.5e6, "11.9 MB/s"),
        ("system.network.errors.rate", 3.0, "3"),
        ("msp.disk.latency", 0.0123, "12.3 ms"),
        ("msp.disk.latency", 1.5, "1.5 s"),
        ("msp.clock.offset", 120.0, "2 min"),
        ("msp.disk.busy", 0.97, "97 %"),
        ("msp.updates.age", 864_000.0, "10 d"),
        (SILENCE, 20.0, "0 min"),
    ],
)
def test_writes_values_in_the_unit_people_think_in(metric: str, value: float, words: str) -> None:
    assert value_words(metric, value) == words


@pytest.mark.django_db
def test_a_rule_for_a_service_fires_when_it_is_down(service_manager: User) -> None:
    words = FORM | {
        "metric": "msp.service.up",
        "threshold": "0",
        "clear_threshold": "0.5",
        "free_below_gib": "",
        "free_clear_gib": "",
    }
    signed_in(service_manager).post(reverse("monitoring:rule-new"), words)
    version = RuleVersion.objects.get()
    assert (version.side, version.threshold, version.clear_threshold) == ("below", 0.0, 0.5)
    assert condition_words(version.rule, version).startswith("not running")
    assert clear_words(version.rule, version).startswith("running again")
