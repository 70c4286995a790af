"""Reports go in once, under who signed them, and are stored before they are acknowledged."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import threading
import time
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgpack
import psycopg2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection

from agents import services as agent_services
from agents.models import Device, DeviceCheckin, InventoryChange, InventorySection
from agents.services.checkins import MAX_RANGES, section_digest
from monitoring.ingest import database, keys, wire, writer
from monitoring.ingest.app import TelemetryApp
from monitoring.ingest.database import NotDurable
from monitoring.ingest.handoff import HandOff
from monitoring.models import DeviceEvent, IngestGroup, Layout
from msp.core import clock
from msp.core.grants import INGEST
from msp.core.scope import SystemPrincipal
from tests.monitoring import ingest
from tests.monitoring.ingest import (
    Answer,
    Machine,
    Signer,
    floats,
    layout_name,
    machine,
    now_ms,
    post,
    rows_of,
    run,
    send,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _scope(system: SystemPrincipal) -> None:
    """Tests look at rows as the system."""


def checkin(who: Machine) -> tuple[DeviceCheckin, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT stored::text FROM agents_devicecheckin WHERE device_id = %s", [who.device.pk]
        )
        return DeviceCheckin.objects.get(device=who.device), cursor.fetchone()[0]


def sent(who: Machine, *reports: dict[str, Any], **options: Any) -> list[Answer]:
    """Send reports one after the other through one door."""

    async def work(app: TelemetryApp) -> list[Answer]:
        return [await post(app, who, report, **options) for report in reports]

    return run(work)  # type: ignore[no-any-return]


# ---------------------------------------------------------------- what is stored


def test_stores_a_report_and_says_so() -> None:
    who = machine()
    report = who.report([0.5, 0.25])
    (answer,) = sent(who, report)
    assert answer.status == 200
    assert answer.body | {"time": 0, "config_etag": ""} == {
        "stored": 1,
        "acked_through": 1,
        "rejected": [],
        "time": 0,
        "next_interval": 60,
        "jobs_pending": False,
        "config_etag": "",
    }
    assert abs(answer.body["time"] - now_ms()) < 5000
    ((ts, epoch, seq, values),) = rows_of(who)
    assert (ts, epoch, seq, values) == (
        ingest.instant(report["rows"][0][0]),
        who.epoch,
        1,
        [0.5, 0.25],
    )
    row, stored = checkin(who)
    assert (row.client_id, row.epoch, row.boot_id, stored) == (
        who.device.client_id,
        who.epoch,
        "5f1c7f0e",
        "{[1,2)}",
    )


@pytest.mark.parametrize("zipped", [False, True])
def test_takes_msgpack_and_json_plain_and_zipped(zipped: bool) -> None:
    who = machine()
    packed = who.report([0.5, 0.25])
    plain = who.report(rows=[[now_ms() - 50, [0.125, None]]])
    body = json.dumps(plain).encode()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if zipped:
        body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}

    async def work(app: TelemetryApp) -> list[Answer]:
        return [
            await post(app, who, packed, zipped=zipped),
            await send(app, body, {**headers, **who.signer.headers(body)}, chunks=3),
        ]

    assert [answer.status for answer in run(work)] == [200, 200]
    first, second = (values for *_, values in rows_of(who))
    assert first == [0.5, 0.25]
    assert second[0] == 0.125
    assert math.isnan(second[1])


def test_keeps_not_measured_as_nan_and_takes_infinity_for_it() -> None:
    who = machine()
    sent(who, who.report([math.nan, math.inf]))
    ((*_, values),) = rows_of(who)
    assert all(math.isnan(value) for value in values)


def test_puts_rows_into_the_servers_time() -> None:
    who = machine()
    taken = now_ms() - 10_000
    sent(who, who.report(rows=[[taken - 3_600_000, floats(1, 2)]], clock_offset=3_600_000))
    assert [ts for ts, *_ in rows_of(who)] == [ingest.instant(taken)]
    assert checkin(who)[0].clock_offset_ms == 3_600_000


def test_rejects_rows_of_the_future_and_of_too_long_ago() -> None:
    who = machine()
    now = now_ms()
    rows = [
        [now + 301_000, floats(1, 1)],
        [now - 1_000, floats(2, 2)],
        [now - wire.MAX_AGE_MS - 60_000, floats(3, 3)],
        [now + 200_000, floats(4, 4)],
    ]
    (answer,) = sent(who, who.report(rows=rows))
    assert answer.status == 200
    assert answer.body["stored"] == 2
    assert answer.body["rejected"] == [
        {"row": 0, "reason": "future"},
        {"row": 2, "reason": "too_old"},
    ]
    assert [values[0] for *_, values in rows_of(who)] == [2, 4]


def test_a_row_of_last_month_finds_its_partition() -> None:
    who = machine()
    old = now_ms() - 29 * 24 * 3_600_000
    (answer,) = sent(who, who.report(rows=[[old, floats(1, 2)]], lane="backlog"))
    assert answer.status == 200
    assert [ts for ts, *_ in rows_of(who)] == [ingest.instant(old)]


def test_a_partition_that_was_dropped_meanwhile_is_made_again() -> None:
    who = machine()
    old = now_ms() - 20 * 24 * 3_600_000

    async def work(app: TelemetryApp) -> list[int]:
        first = await post(app, who, who.report(rows=[[old, floats(1, 2)]]))
        await asyncio.to_thread(drop)
        second = await post(app, who, who.report(rows=[[old + 1, floats(3, 4)]]))
        third = await post(app, who, who.report(rows=[[old + 2, floats(3, 4)]]))
        return [first.status, second.status, third.status]

    def drop() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT monitoring_drop_partitions('monitoring_sample', %s)",
                [clock.now() - timedelta(days=19)],
            )
        connection.close()

    assert run(work) == [200, 200, 200]
    assert [seq for _, _, seq, _ in rows_of(who)] == [2, 3]


def test_client_and_device_come_from_the_key_and_not_from_the_body() -> None:
    who, other = machine("Acme"), machine("Rival", "RIVAL-01")
    forged = who.report(device=str(other.device.public_id), device_id=other.device.pk, client=1)
    (answer,) = sent(who, forged)
    assert answer.status == 200
    assert len(rows_of(who)) == 1
    assert rows_of(other) == []


# ---------------------------------------------------------------- once


def test_a_report_sent_again_gets_the_same_answer_and_stores_nothing() -> None:
    who = machine()
    event = {"ts": now_ms(), "kind": "collector_hung", "data": {"collector": "cpu"}}
    report = who.report(events=[event])
    first, second, third = sent(who, report, report, report)
    assert [a.body | {"time": 0} for a in (second, third)] == [first.body | {"time": 0}] * 2
    assert len(rows_of(who)) == 1
    assert DeviceEvent.objects.filter(device=who.device).count() == 1
    assert IngestGroup.objects.filter(devices=[who.device.pk]).count() == 1


def test_the_same_report_twice_at_once_is_stored_once() -> None:
    who = machine()
    report = who.report()

    async def work(app: TelemetryApp) -> list[Answer]:
        return list(await asyncio.gather(*[post(app, who, report) for _ in range(20)]))

    assert {answer.status for answer in run(work)} == {200}
    assert len(rows_of(who)) == 1


def test_two_nodes_store_the_same_report_once() -> None:
    who = machine()
    report = who.report()

    async def work(app: TelemetryApp) -> list[Answer]:
        async with ingest.door() as other:
            return list(
                await asyncio.gather(*[post(node, who, report) for node in [app, other] * 10])
            )

    assert {answer.status for answer in run(work)} == {200}
    assert len(rows_of(who)) == 1


def test_numbers_may_come_in_any_order() -> None:
    who = machine()
    reports = [who.report() for _ in range(5)]
    answers = sent(who, *(reports[place] for place in (4, 0, 2, 1, 3)))
    assert [answer.body["acked_through"] for answer in answers] == [0, 1, 1, 3, 5]
    assert len(rows_of(who)) == 5
    assert checkin(who)[1] == "{[1,6)}"


def test_a_row_that_another_batch_brought_stays_as_it_came_first() -> None:
    who = machine()
    first = who.report([0.1, 0.1])
    second = who.report(rows=[[first["rows"][0][0], floats(9, 9)], [now_ms(), floats(2, 2)]])
    answers = sent(who, first, second)
    assert [answer.status for answer in answers] == [200, 200]
    assert [(seq, round(values[0], 3)) for _, _, seq, values in rows_of(who)] == [(1, 0.1), (2, 2)]


def test_a_new_epoch_begins_to_count_anew_and_the_old_one_ends() -> None:
    who = machine()
    old = who.report()
    fresh = who.report(epoch=who.epoch + 5000, seq=1)
    late = who.report(seq=9)
    answers = sent(who, old, fresh, late)
    assert [(answer.status, answer.code) for answer in answers] == [
        (200, ""),
        (200, ""),
        (409, "stale_epoch"),
    ]
    row, stored = checkin(who)
    assert (row.epoch, stored) == (who.epoch + 5000, "{[1,2)}")
    assert len(rows_of(who)) == 2


def test_a_device_that_leaves_too_many_gaps_begins_a_new_epoch() -> None:
    who = machine()
    sent(who, first := who.report())
    gaps = ",".join(f"[{n * 2},{n * 2 + 1})" for n in range(1, MAX_RANGES + 2))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agents_devicecheckin SET stored = %s::int8multirange WHERE device_id = %s",
            [f"{{{gaps}}}", who.device.pk],
        )
    answers = sent(who, who.report(seq=1_000_000), {**first, "seq": 2})
    assert [(answer.status, answer.code) for answer in answers] == [(409, "stale_epoch"), (200, "")]


# ---------------------------------------------------------------- durable first


def test_answers_only_after_the_commit() -> None:
    who = machine()
    sent(who, who.report())
    outside = psycopg2.connect(**_owner_of_rows())

    async def work(app: TelemetryApp) -> tuple[bool, int, int]:
        with outside.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM agents_devicecheckin WHERE device_id = %s FOR UPDATE",
                [who.device.pk],
            )
        waiting = asyncio.create_task(post(app, who, who.report()))
        await asyncio.sleep(0.3)
        answered_early = waiting.done()
        outside.rollback()
        answer = await waiting
        with outside.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM monitoring_sample WHERE device_id = %s", [who.device.pk]
            )
            (stored,) = cursor.fetchone()
        outside.rollback()
        return answered_early, answer.status, stored

    try:
        assert run(work) == (False, 200, 2)
    finally:
        outside.close()


def _owner_of_rows() -> dict[str, Any]:
    config = settings.DATABASES["default"]
    return {
        "dbname": connection.settings_dict["NAME"],
        "user": config["USER"],
        "password": config["PASSWORD"],
        "host": config["HOST"],
        "port": config["PORT"],
    }


def test_reports_that_come_together_share_commits() -> None:
    fleet = [machine(name=f"SRV-{n:02}") for n in range(30)]

    async def work(app: TelemetryApp) -> list[Answer]:
        return list(await asyncio.gather(*[post(app, who, who.report()) for who in fleet]))

    assert {answer.status for answer in run(work)} == {200}
    assert all(len(rows_of(who)) == 1 for who in fleet)
    groups = list(IngestGroup.objects.filter(devices__overlap=[who.device.pk for who in fleet]))
    assert len(groups) < 10
    assert sorted(device for group in groups for device in group.devices) == sorted(
        who.device.pk for who in fleet
    )


def test_a_node_numbers_its_groups_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "is_storable", lambda value: True)
    who = machine()
    reports = [who.report() for _ in range(3)]
    poison = who.report(events=[POISON])
    sent(who, reports[0], reports[0], poison, reports[1], reports[2])
    groups = IngestGroup.objects.filter(devices=[who.device.pk]).order_by("pk")
    assert [group.number for group in groups] == [1, 2, 3]
    assert len({group.node for group in groups}) == 1
    assert all(group.evaluated_at is None for group in groups)
    assert [group.ts_from[0] for group in groups] == [
        ingest.instant(report["rows"][0][0]) for report in reports
    ]


def test_an_idle_node_says_that_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "HEARTBEAT_SECONDS", 0.05)
    who = machine()

    async def work(app: TelemetryApp) -> None:
        await asyncio.sleep(0.2)
        assert (await post(app, who, who.report())).status == 200

    run(work)
    groups = list(IngestGroup.objects.order_by("pk"))
    beats = [group for group in groups if not group.devices]
    assert beats
    assert all(beat.evaluated_at is not None for beat in beats)
    assert [group.number for group in groups] == list(range(1, len(groups) + 1))


def test_refuses_to_open_on_a_database_that_may_lose_what_it_said(settings: Any) -> None:
    settings.INGEST_NEEDS_DURABLE_DATABASE = True
    app = TelemetryApp()
    with pytest.raises(NotDurable, match="fsync is off"):
        asyncio.run(app.start())


# ---------------------------------------------------------------- one bad batch

#: PostgreSQL's jsonb has no U+0000; what else it may refuse is played by leaving out our check.
POISON = {"ts": 1, "kind": "x", "data": {"text": "a\x00b"}}


def test_a_report_that_no_table_can_hold_is_refused_before_the_writer() -> None:
    nested: dict[str, Any] = {}
    for _ in range(wire.MAX_DEPTH):
        nested = {"a": nested}
    who = machine()
    events = [{"ts": 1, "kind": "x", "data": nested}]
    sections = {"system": {"sha256": section_digest(nested), "content": nested}}
    answers = sent(
        who, who.report(events=[POISON]), who.report(events=events), who.report(sections=sections)
    )
    assert [(answer.status, answer.code) for answer in answers] == [
        (400, "bad_event"), (400, "bad_event"), (400, "bad_section"),
    ]  # fmt: skip
    assert not InventorySection.objects.filter(device=who.device).exists()


def test_a_batch_the_database_refuses_stands_alone_and_its_neighbours_are_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "is_storable", lambda value: True)
    fleet = [machine(name=f"SRV-{n:02}") for n in range(12)]

    async def work(app: TelemetryApp) -> list[Answer]:
        reports = [
            who.report(events=[POISON] if place == 5 else []) for place, who in enumerate(fleet)
        ]
        return list(
            await asyncio.gather(
                *[post(app, who, report) for who, report in zip(fleet, reports, strict=True)]
            )
        )

    answers = run(work)
    assert [answer.status for answer in answers] == [200] * 5 + [400] + [200] * 6
    assert answers[5].code == "bad_batch"
    assert [len(rows_of(who)) for who in fleet] == [1] * 5 + [0] + [1] * 6
    assert not DeviceCheckin.objects.filter(device=fleet[5].device).exists()


# ---------------------------------------------------------------- layouts


def test_asks_for_a_layout_it_does_not_know_and_remembers_it() -> None:
    who, other = machine(), machine(name="SRV-02")
    series = [["system.cpu.utilization", ""], ["system.filesystem.utilization", f"/{uuid4()}"]]
    bare = who.report(series=series, layout_def=...)
    (refused,) = sent(who, bare)
    assert (refused.status, refused.code) == (409, "unknown_layout")
    assert rows_of(who) == []
    answers = sent(who, {**bare, "layout_def": series})
    assert [answer.status for answer in answers] == [200]
    # Another node, and another device, know it by name.
    assert [a.status for a in sent(other, other.report(series=series, layout_def=...))] == [200]
    assert Layout.objects.filter(digest=bytes.fromhex(layout_name(series))).count() == 1


@pytest.mark.parametrize(
    ("series", "code"),
    [
        ([["system.cpu.utilization", ""]], "bad_rows"),
        ([["a", ""], ["a", ""]], "bad_layout"),
        ([["No Metric", ""], ["b", ""]], "bad_layout"),
        ([["a", "x\ny"], ["b", ""]], "bad_layout"),
        ([[f"a{n}", ""] for n in range(301)], "bad_report"),
        ([["a"], ["b", ""]], "bad_report"),
    ],
)
def test_refuses_a_layout_that_is_none(series: list[list[str]], code: str) -> None:
    who = machine()
    report = who.report([1.0, 2.0], series=series)
    (answer,) = sent(who, report)
    assert (answer.status, answer.code) == (400, code)


def test_refuses_a_layout_under_another_name() -> None:
    who = machine()
    (answer,) = sent(who, who.report(layout="0123456789abcdef"))
    assert (answer.status, answer.code) == (400, "bad_layout")


def test_refuses_rows_that_do_not_fit_a_known_layout() -> None:
    who = machine()
    answers = sent(who, who.report(), who.report([1.0, 2.0, 3.0], layout_def=...))
    assert [(answer.status, answer.code) for answer in answers] == [(200, ""), (400, "bad_rows")]


# ---------------------------------------------------------------- events and inventory


def test_keeps_events_and_what_the_spool_dropped() -> None:
    who = machine()
    ts = now_ms() - 500
    events = [{"ts": ts, "kind": "collector_failed", "data": {"message": "no"}}]
    lost = [{"lane": "backlog", "from": ts - 100, "to": ts, "count": 7}]
    sent(who, who.report(events=events, lost=lost))
    found = list(DeviceEvent.objects.filter(device=who.device).order_by("n"))
    assert [(row.kind, row.client_id) for row in found] == [
        ("collector_failed", who.device.client_id),
        ("msp.spool.lost", who.device.client_id),
    ]
    assert found[1].data == {"lane": "backlog", "from": ts - 100, "to": ts, "count": 7}
    assert found[0].ts == ingest.instant(ts)


def test_an_event_of_an_impossible_time_gets_the_time_of_its_arrival() -> None:
    who = machine()
    sent(who, who.report(events=[{"ts": 0, "kind": "x", "data": {}}]))
    (row,) = DeviceEvent.objects.filter(device=who.device)
    assert row.ts - row.received_at < timedelta(seconds=1)


def section(content: dict[str, Any]) -> dict[str, Any]:
    return {"system": {"sha256": section_digest(content), "content": content}}


def test_keeps_an_inventory_section_and_every_value_that_changed() -> None:
    who = machine()
    first = {"os": {"name": "Debian", "version": "12"}, "ram_bytes": 8}
    second = {"os": {"name": "Debian", "version": "13"}, "ram_bytes": 8}
    bulk = {"lane": "bulk", "rows": []}
    answers = sent(
        who,
        who.report(**bulk, sections=section(first)),
        who.report(**bulk, sections=section(first)),
        who.report(**bulk, sections=section(second)),
    )
    assert [answer.status for answer in answers] == [200] * 3
    (row,) = InventorySection.objects.filter(device=who.device)
    assert (row.section, row.content) == ("system", second)
    changes = InventoryChange.objects.filter(device=who.device)
    assert [(row.path, row.old, row.new) for row in changes] == [("os.version", "12", "13")]


def test_the_device_row_follows_its_inventory() -> None:
    who = machine()
    content = {"os": {"name": "Debian", "version": "13", "family": "linux"}, "agent_version": "9"}
    sent(who, who.report(sections=section(content)))
    assert agent_services.refresh_from_inventory(by=SystemPrincipal("tests")) == 1
    assert agent_services.refresh_from_inventory(by=SystemPrincipal("tests")) == 0
    device = Device.objects.get(pk=who.device.pk)
    assert (device.os_version, device.agent_version) == ("13", "9")


def test_refuses_a_section_whose_digest_is_not_its_own() -> None:
    who = machine()
    wrong = {"system": {"sha256": "0" * 64, "content": {"a": 1}}}
    (answer,) = sent(who, who.report(sections=wrong))
    assert (answer.status, answer.code) == (400, "bad_section")
    assert rows_of(who) == []


def test_an_old_batch_does_not_take_back_what_a_newer_one_said() -> None:
    who = machine()
    goodbye = who.report(power="shutdown", boot_id="new")
    backlog = who.report(rows=[[now_ms() - 60_000, floats(1, 1)]], lane="backlog", boot_id="old")
    sent(who, goodbye, backlog)
    row, _ = checkin(who)
    assert (row.power, row.boot_id) == ("shutdown", "new")
    assert row.last_sample_at == ingest.instant(goodbye["rows"][0][0])


# ---------------------------------------------------------------- who may


@pytest.mark.parametrize(
    ("state", "code"),
    [("pending", "pending"), ("quarantined", "quarantined"), ("retired", "revoked")],
)
def test_refuses_devices_that_may_not_report(state: str, code: str) -> None:
    who = machine(state=state)
    (answer,) = sent(who, who.report())
    assert (answer.status, answer.code) == (403, code)
    assert rows_of(who) == []


def test_refuses_a_key_nobody_has_like_a_wrong_signature() -> None:
    who = machine()
    unknown = Machine(who.device, Signer(str(uuid4()), who.signer.key), who.epoch)
    forged = Machine(who.device, Signer(who.signer.key_id, Ed25519PrivateKey.generate()), who.epoch)

    async def work(app: TelemetryApp) -> list[Answer]:
        return [
            await post(app, unknown, who.report()),
            await post(app, unknown, who.report()),
            await post(app, forged, who.report()),
            await post(app, Machine(who.device, Signer("enrol", who.signer.key), 1), who.report()),
        ]

    answers = run(work)
    assert {json.dumps(answer.body | {"time": 0}, sort_keys=True) for answer in answers} == {
        json.dumps(
            {
                "code": "bad_signature",
                "message": "The signature is missing or does not fit.",
                "time": 0,
            },
            sort_keys=True,
        )
    }
    assert {answer.status for answer in answers} == {401}


def test_a_key_that_is_revoked_stops_working_while_it_is_cached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    who = machine()
    monkeypatch.setattr(keys, "REFRESH_SECONDS", 0.05)

    async def work(app: TelemetryApp) -> tuple[int, Answer]:
        first = await post(app, who, who.report())
        await asyncio.to_thread(revoke)
        for _ in range(100):
            answer = await post(app, who, who.report())
            if answer.status != 200:
                break
            await asyncio.sleep(0.05)
        return first.status, answer

    def revoke() -> None:
        agent_services.revoke_key(who.device.public_id, by=SystemPrincipal("tests"))
        connection.close()

    first, last = run(work)
    assert first == 200
    assert (last.status, last.code) == (403, "revoked")


def test_what_the_cache_believes_is_never_older_than_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    who = machine()
    monkeypatch.setattr(keys, "REFRESH_SECONDS", 3600)
    monkeypatch.setattr(keys, "BELIEVED_SECONDS", 0)

    async def work(app: TelemetryApp) -> list[int]:
        first = await post(app, who, who.report())
        await asyncio.to_thread(revoke)
        return [first.status, (await post(app, who, who.report())).status]

    def revoke() -> None:
        agent_services.revoke_key(who.device.public_id, by=SystemPrincipal("tests"))
        connection.close()

    assert run(work) == [200, 403]


def test_remembers_only_so_many_unknown_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_UNKNOWN", 10)

    async def work(app: TelemetryApp) -> int:
        cache = app._keys
        assert cache is not None
        for _ in range(50):
            assert await cache.get(uuid4()) is None
        return len(cache._unknown)

    assert run(work) <= 10


def test_many_who_ask_for_the_same_key_cost_one_query(monkeypatch: pytest.MonkeyPatch) -> None:
    who = machine()
    asked: list[int] = []
    read = keys.read_keys
    monkeypatch.setattr(
        keys, "read_keys", lambda cursor, ids: asked.append(len(ids)) or read(cursor, ids)
    )

    async def work(app: TelemetryApp) -> list[Any]:
        cache = app._keys
        assert cache is not None
        return list(await asyncio.gather(*[cache.get(UUID(who.signer.key_id)) for _ in range(50)]))

    assert {known.device_id for known in run(work)} == {who.device.pk}
    assert asked == [1]


def test_a_signature_for_another_address_is_refused() -> None:
    who = machine()
    body = msgpack.packb(who.report())
    kind = {"Content-Type": "application/msgpack"}

    async def work(app: TelemetryApp) -> list[Answer]:
        return [
            await send(app, body, {**kind, **who.signer.headers(body, host="other.example")}),
            await send(
                app, body, {**kind, **who.signer.headers(body, host="other.example"), "Host": "x"}
            ),
            await send(app, body, {**kind, **who.signer.headers(body, path="/api/v1/other")}),
            await send(app, body, {**kind, **who.signer.headers(body)}, query="a=1"),
            await send(app, body, {**kind, **who.signer.headers(body, method="PUT")}),
            await send(app, body, kind),
            await send(
                app,
                body,
                {**kind, **who.signer.headers(body, created=clock.now() - timedelta(minutes=6))},
            ),
        ]

    answers = run(work)
    # The first is rightly signed and rightly addressed: names are not ours to limit here.
    assert [answer.status for answer in answers] == [200, 401, 401, 401, 401, 401, 401]
    assert [answer.code for answer in answers[1:]] == ["bad_signature"] * 5 + ["skewed"]


# ---------------------------------------------------------------- caps and nonsense


def test_refuses_what_is_larger_than_a_report_may_be() -> None:
    who = machine()
    large = b"x" * (wire.MAX_COMPRESSED + 1)
    bomb = zlib.compress(bytes(wire.MAX_INFLATED + 1), 9, wbits=31)
    zipped = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    plain = {"Content-Type": "application/json"}
    deep = zlib.compress(bomb, 9, wbits=31)
    assert len(bomb) < 20_000

    async def work(app: TelemetryApp) -> list[tuple[int, str]]:
        answers = [
            await send(app, large, {**plain, **who.signer.headers(large)}, chunks=50),
            await send(app, b"", {**plain, "Content-Length": str(len(large))}),
            await send(app, bomb, {**zipped, **who.signer.headers(bomb)}),
            await send(app, deep, {**zipped, **who.signer.headers(deep)}),
        ]
        return [(answer.status, answer.code) for answer in answers]

    assert run(work) == [
        (413, "too_large"),
        (413, "too_large"),
        (413, "too_large"),
        (400, "bad_report"),
    ]


def test_too_many_rows_are_to_be_halved() -> None:
    who = machine()
    rows = [[now_ms() - n, floats(1, 2)] for n in range(wire.MAX_ROWS + 1)]
    (answer,) = sent(who, who.report(rows=rows))
    assert (answer.status, answer.code) == (413, "too_many_rows")


def nonsense(who: Machine) -> dict[str, tuple[bytes, str]]:
    """Return bodies that are no report, each rightly signed when sent."""
    good = who.report()
    text = {**good, "rows": [[now_ms(), [0.5, 0.25]]]}

    def packed(**changes: Any) -> tuple[bytes, str]:
        return msgpack.packb({**good, **changes}), wire.MSGPACK

    def plain(**changes: Any) -> tuple[bytes, str]:
        return json.dumps({**text, **changes}).encode(), wire.JSON

    return {
        "empty": (b"", wire.MSGPACK),
        "empty json": (b"", wire.JSON),
        "a number": (b"\x01", wire.MSGPACK),
        "null": (b"null", wire.JSON),
        "cut off": (msgpack.packb(good)[:-3], wire.MSGPACK),
        "something behind": (msgpack.packb(good) + b"\x00", wire.MSGPACK),
        "deep json": (b'{"a":' * 100_000, wire.JSON),
        "deep msgpack": (b"\x91" * 500_000, wire.MSGPACK),
        "deep data": packed(events=[{"ts": 1, "kind": "x", "data": {"a": _nest(800)}}]),
        "not utf-8": (b'{"v":"\xff"}', wire.JSON),
        "other version": packed(v=2),
        "seq 0": packed(seq=0),
        "seq too large": packed(seq=2**63),
        "epoch negative": packed(epoch=-1),
        "layout in capitals": packed(layout=good["layout"].upper()),
        "lane unknown": packed(lane="express"),
        "row without time": packed(rows=[[floats(1, 2)]]),
        "row cut off": packed(rows=[[now_ms(), b"123"]]),
        "row empty": packed(rows=[[now_ms(), b""]]),
        "rows that differ": packed(rows=[[now_ms(), floats(1)], [now_ms(), floats(1, 2)]]),
        "time too large": packed(rows=[[2**60, floats(1, 2)]]),
        "offset too large": packed(clock_offset=2**60),
        "values as text": plain(rows=[[now_ms(), ["0.5", "1"]]]),
        "bytes in data": packed(sections={"system": {"sha256": "0" * 64, "content": {"a": b"x"}}}),
        "key of a number": packed(
            sections={"system": {"sha256": "0" * 64, "content": {"a": {1: 2, "b": 3}}}}
        ),
        "section name": packed(sections={"../etc": {"sha256": "0" * 64, "content": {}}}),
        "lone surrogate": (
            json.dumps(text).replace('"5f1c7f0e"', '"\\ud800"').encode(),
            wire.JSON,
        ),
        "nul in boot id": packed(boot_id="a\x00"),
        "event without kind": packed(events=[{"ts": 1}]),
    }


def _nest(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_nonsense_is_400_and_never_500() -> None:
    who = machine()
    bodies = nonsense(who)

    async def work(app: TelemetryApp) -> dict[str, int]:
        return {
            name: (await send(app, body, {"Content-Type": kind, **who.signer.headers(body)})).status
            for name, (body, kind) in bodies.items()
        }

    found = run(work)
    allowed = dict.fromkeys(bodies, 400) | {"deep data": found["deep data"]}
    assert found == allowed
    assert found["deep data"] in (200, 400)


def test_broken_gzip_is_400() -> None:
    who = machine()
    good = gzip.compress(msgpack.packb(who.report()))
    headers = {"Content-Type": "application/msgpack", "Content-Encoding": "gzip"}

    async def work(app: TelemetryApp) -> list[int]:
        return [
            (await send(app, body, {**headers, **who.signer.headers(body)})).status
            for body in (good[:-9], b"no gzip", good + good, good + b"x", b"")
        ]

    assert run(work) == [400] * 5


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({}, 415),
        ({"Content-Type": "application/msgpack", "Content-Encoding": "br"}, 415),
        ({"Content-Type": "application/msgpack", "Content-Encoding": "gzip, gzip"}, 415),
    ],
)
def test_refuses_types_it_does_not_read(headers: dict[str, str], status: int) -> None:
    who = machine()
    body = msgpack.packb(who.report())

    async def work(app: TelemetryApp) -> Answer:
        return await send(app, body, {**headers, **who.signer.headers(body)})

    assert run(work).status == status


def test_other_methods_are_405() -> None:
    async def work(app: TelemetryApp) -> Answer:
        return await send(app, b"", {}, method="GET")

    assert run(work).status == 405


def test_a_client_that_hangs_up_gets_no_answer_and_leaves_no_trace() -> None:
    who = machine()
    body = msgpack.packb(who.report())
    answered: list[Any] = []

    async def work(app: TelemetryApp) -> None:
        messages = [{"type": "http.request", "body": body[:10], "more_body": True}]

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def take(message: dict[str, Any]) -> None:
            answered.append(message)

        scope = {"type": "http", "method": "POST", "path": ingest.PATH, "headers": []}
        await app({**scope, "query_string": b""}, receive, take)

    run(work)
    assert answered == []
    assert rows_of(who) == []


# ---------------------------------------------------------------- when the database is away


class Gate:
    """A TCP proxy before PostgreSQL that can be shut: a database that is stopped and started."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        self._server.close()
        for stream in list(self._writers):
            stream.transport.abort()
        await asyncio.sleep(0.05)

    async def _serve(self, reader: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        from_database, to_database = await asyncio.open_connection(*self._target)
        pair = {to_client, to_database}
        self._writers |= pair
        await asyncio.gather(
            self._pump(reader, to_database),
            self._pump(from_database, to_client),
            return_exceptions=True,
        )
        self._writers -= pair

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            to.write(data)
            await to.drain()
        to.close()


def test_a_database_that_goes_away_is_503_and_what_comes_after_is_stored(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = machine()
    real = settings.DATABASE_INGEST
    monkeypatch.setattr(writer, "RECONNECT_SECONDS", 0.05)

    async def whole() -> list[Answer]:
        gate = Gate(real["HOST"], int(real["PORT"]))
        await gate.open()
        settings.DATABASE_INGEST = {**real, "HOST": "127.0.0.1", "PORT": gate.port}
        async with ingest.door() as app:
            answers = [await post(app, who, reports[0])]
            await gate.shut()
            answers += [await post(app, who, reports[1])]
            answers += [await post(app, who, reports[1])]
            await gate.open(gate.port)
            for _ in range(100):
                answers.append(await post(app, who, reports[1]))
                if answers[-1].status == 200:
                    break
                await asyncio.sleep(0.05)
            await gate.shut()
        return answers

    reports = [who.report(), who.report()]
    answers = asyncio.run(whole())
    assert [answer.status for answer in answers[:3]] == [200, 503, 503]
    assert all(5 <= int(answer.headers["retry-after"]) <= 60 for answer in answers[1:3])
    assert answers[-1].status == 200
    assert [seq for _, _, seq, _ in rows_of(who)] == [1, 2]


def test_opens_while_the_database_is_away_and_begins_when_it_is_back(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = machine()
    real = settings.DATABASE_INGEST
    monkeypatch.setattr(writer, "RECONNECT_SECONDS", 0.05)

    async def whole() -> list[int]:
        gate = Gate(real["HOST"], int(real["PORT"]))
        await gate.open()
        await gate.shut()
        settings.DATABASE_INGEST = {**real, "HOST": "127.0.0.1", "PORT": gate.port}
        async with ingest.door() as app:
            found = [(await post(app, who, report)).status]
            await gate.open(gate.port)
            for _ in range(100):
                found.append((await post(app, who, report)).status)
                if found[-1] == 200:
                    break
                await asyncio.sleep(0.05)
            await gate.shut()
        return found

    report = who.report()
    found = asyncio.run(whole())
    assert (found[0], found[-1]) == (503, 200)
    assert len(rows_of(who)) == 1


def test_a_session_that_is_ended_by_the_operator_is_503_and_no_batch_is_blamed() -> None:
    who = machine()
    config = settings.DATABASE_INGEST

    def end_writer() -> None:
        with (
            psycopg2.connect(
                dbname=config["NAME"],
                user=config["USER"],
                password=config["PASSWORD"],
                host=config["HOST"],
                port=config["PORT"],
            ) as own,
            own.cursor() as cursor,
        ):
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'msp-ingest-writer' AND datname = current_database()"
            )
        own.close()

    async def work(app: TelemetryApp) -> list[int]:
        first = await post(app, who, reports[0])
        await asyncio.to_thread(end_writer)
        second = await post(app, who, reports[1])
        await asyncio.sleep(writer.RECONNECT_SECONDS + 0.1)
        third = await post(app, who, reports[1])
        return [first.status, second.status, third.status]

    reports = [who.report(), who.report()]
    assert run(work) == [200, 503, 200]
    # A commit without an answer may have used its number: afterwards it is another node.
    assert len(set(IngestGroup.objects.values_list("node", flat=True))) == 2


def test_a_full_node_says_so_and_refuses_backlog_first(monkeypatch: pytest.MonkeyPatch) -> None:
    who = machine()
    monkeypatch.setattr(writer, "MAX_WAITING", 4)
    entered, release = threading.Event(), threading.Event()
    read = writer.checkins.read_cursors

    def hold(cursor: Any, device_ids: Any) -> Any:
        entered.set()
        release.wait(30)
        return read(cursor, device_ids)

    monkeypatch.setattr(writer.checkins, "read_cursors", hold)

    async def until(condition: Callable[[], bool]) -> None:
        for _ in range(500):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it did not come to that")

    async def work(app: TelemetryApp) -> tuple[list[int], list[int], set[int]]:
        assert app._writer is not None
        waiting = app._writer

        def post_three(lane: str) -> list[asyncio.Task[Answer]]:
            reports = [who.report(lane=lane) for _ in range(3)]
            return [asyncio.create_task(post(app, who, report)) for report in reports]

        def refused(tasks: list[asyncio.Task[Answer]]) -> list[int]:
            return [task.result().status for task in tasks if task.done()]

        held = asyncio.create_task(post(app, who, who.report()))
        await until(entered.is_set)  # the writer is busy; what follows waits
        backlog = post_three("backlog")
        await until(lambda: len(waiting._waiting) == 2 and bool(refused(backlog)))
        live = post_three("live")
        await until(lambda: len(waiting._waiting) == 4 and bool(refused(live)))
        early = refused(backlog), refused(live)
        release.set()
        answers = await asyncio.gather(held, *backlog, *live)
        return *early, {answer.status for answer in answers}

    assert run(work) == ([503], [503], {200, 503})
    assert len(rows_of(who)) == 5


# ---------------------------------------------------------------- snapshots


def test_a_restored_snapshot_that_counts_again_loses_nothing() -> None:
    who = machine()
    before = [who.report(rows=[[now_ms() - 60_000 + n, floats(n, 0)]]) for n in range(3)]
    assert [answer.status for answer in sent(who, *before)] == [200] * 3
    who.seq = 1  # set back to when one batch had been sent
    (first,) = sent(who, again := who.report(rows=[[now_ms() - 1000, floats(7, 0)]]))
    assert (first.status, first.code) == (409, "stale_epoch")
    assert len(rows_of(who)) == 3
    who.epoch, who.seq = who.epoch + 1, 0
    assert sent(who, {**again, "epoch": who.epoch, "seq": 1})[0].status == 200
    assert [values[0] for _, _, _, values in rows_of(who)] == [0, 1, 2, 7]


def test_a_restored_snapshot_that_had_only_sent_inventory_loses_nothing() -> None:
    who = machine()
    assert sent(who, who.report(rows=[]))[0].status == 200
    who.seq = 0
    assert sent(who, who.report())[0].code == "stale_epoch"


def test_a_batch_sent_again_among_newer_ones_is_no_snapshot() -> None:
    who = machine()
    batches = [who.report(rows=[[now_ms() - 9000 + n, floats(n, 0)]]) for n in range(3)]
    answers = sent(who, *batches, batches[0], batches[2], batches[1], batches[2])
    assert [(answer.status, answer.body["stored"]) for answer in answers] == [(200, 1)] * 7
    assert len(rows_of(who)) == 3


# ---------------------------------------------------------------- the hand-off


def test_tells_the_rules_about_each_group_after_its_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    who = machine()
    told: list[tuple[str, list[int], int]] = []
    done = threading.Event()

    def send_task(name: str, args: tuple[list[int]], **options: Any) -> None:
        try:
            told.append((name, args[0], IngestGroup.objects.filter(pk__in=args[0]).count()))
        finally:
            connection.close()
            done.set()

    monkeypatch.setattr("monitoring.ingest.handoff.current_app", _Broker(send_task))
    sent(who, who.report())
    assert done.wait(5)
    (group,) = IngestGroup.objects.filter(devices=[who.device.pk])
    assert told == [("monitoring.evaluate", [group.pk], 1)]


def test_groups_committed_together_share_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[int]] = []
    broker = _Broker(lambda name, args, **options: told.append(args[0]))
    monkeypatch.setattr("monitoring.ingest.handoff.current_app", broker)
    handoff = HandOff()
    for group_id in range(1, 151):
        handoff.put(group_id)
    handoff.start()
    handoff.stop()
    assert told == [list(range(1, 101)), list(range(101, 151))]


class _Broker:
    def __init__(self, send_task: Callable[..., None]) -> None:
        self.send_task = send_task


def test_a_broker_that_hangs_or_fails_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    who = machine()
    release = threading.Event()

    def hang(*args: Any, **options: Any) -> None:
        release.wait(10)
        raise ConnectionError("the broker is away")

    monkeypatch.setattr("monitoring.ingest.handoff.current_app", _Broker(hang))
    monkeypatch.setattr("monitoring.ingest.handoff.JOIN_SECONDS", 0.1)
    began = time.monotonic()
    answers = sent(who, *[who.report() for _ in range(5)])
    release.set()
    assert [answer.status for answer in answers] == [200] * 5
    assert time.monotonic() - began < 5


# ---------------------------------------------------------------- the login


def test_the_ingest_login_adds_samples_and_reads_none() -> None:
    who = machine()
    sent(who, who.report())
    own = database.connect("tests")
    try:
        for statement in (
            "SELECT * FROM monitoring_sample",
            "SELECT * FROM monitoring_deviceevent",
            "UPDATE monitoring_sample SET seq = 1",
            "DELETE FROM monitoring_sample",
            "TRUNCATE monitoring_sample",
            "SELECT token_sha256 FROM agents_enrolmenttoken",
            "SELECT name FROM agents_device",
            "UPDATE agents_device SET state = 'active'",
            "UPDATE agents_devicekey SET state = 'active'",
            "SELECT * FROM core_user",
            "SELECT * FROM clients_client",
            "CREATE TABLE public.mine (a int)",
            "SELECT monitoring_drop_partitions('monitoring_sample', now() - interval '40 days')",
        ):
            with own.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
            own.rollback()
        with own.cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == (ingest.ingest_login(),)
    finally:
        own.close()


def test_the_ingest_login_reaches_no_table_that_is_not_listed() -> None:
    own = database.connect("tests")
    with own.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
            "AND relkind IN ('r', 'p', 'v', 'm') AND has_table_privilege(oid, "
            "'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')"
        )
        reached = {row[0] for row in cursor.fetchall()}
    own.close()
    # Rights on single columns do not count as rights on the table.
    assert reached == set(INGEST) - {"agents_device"}
