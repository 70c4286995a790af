"""The spool: nothing leaves it unless stored, dropped by the cap, or refused for good."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msp_agent.spool import BACKLOG, BULK, LIVE, Spool, open_spool
from msp_agent.wire import layout_id, unpack_row

from .double import BOOT, SERIES, START_MS

AGENT_ROOT = str(Path(__file__).parents[3] / "agents/endpoint")


def opened(path: Path | str = ":memory:", **kwargs) -> Spool:
    return Spool(path, now_ms=START_MS, **kwargs)


def add(spool: Spool, n: int, *, series=SERIES, boot=BOOT, power="on", wall_error=0) -> None:
    spool.add_sample(
        series,
        [float(n)] * len(series),
        taken_at=START_MS + n * 60_000 + wall_error,
        ticks=n * 60_000,
        boot_id=boot,
        boot_time=START_MS,
        power=power,
    )


def seal(spool: Spool, lane: int, *, at: int = 0, offset: int = 0, boot: str = BOOT, **kwargs):
    seq = spool.seal(
        lane,
        clock_offset=offset,
        wall_now=START_MS + at * 60_000,
        ticks_now=at * 60_000,
        boot_id=boot,
        **kwargs,
    )
    return None if seq is None else spool.load(seq)


def numbers(batch) -> list[int]:
    return [int(unpack_row(row)[0]) for _, row in batch.rows]


def test_counts_batches_from_one_and_never_uses_a_number_twice(tmp_path):
    spool = opened(tmp_path / "s.db")
    for n in range(3):
        add(spool, n)
        batch = seal(spool, LIVE)
        assert batch.seq == n + 1
        spool.acknowledge(batch, at=START_MS)
    spool.close()
    spool = opened(tmp_path / "s.db")
    add(spool, 9)
    assert seal(spool, LIVE).seq == 4


def test_keeps_a_batch_until_it_is_acknowledged():
    spool = opened()
    add(spool, 1)
    batch = seal(spool, LIVE)
    assert spool.load(batch.seq) == batch
    assert spool.oldest_sealed(LIVE) == batch.seq
    spool.acknowledge(batch, at=START_MS)
    assert spool.load(batch.seq) is None
    assert spool.depth() == {"live": 0, "backlog": 0, "bulk": 0}


def test_calls_only_the_newest_sample_live():
    spool = opened()
    for n in range(3):
        add(spool, n)
    assert spool.depth() == {"live": 1, "backlog": 2, "bulk": 0}
    assert numbers(seal(spool, LIVE)) == [2]
    assert numbers(seal(spool, BACKLOG)) == [0, 1]


def test_gathers_unsent_samples_into_one_batch_up_to_a_limit():
    spool = opened()
    for n in range(301):
        add(spool, n)
    assert numbers(seal(spool, BACKLOG)) == list(range(120))
    assert numbers(seal(spool, BACKLOG, max_items=5)) == list(range(120, 125))


def test_gives_each_layout_and_each_boot_its_own_batch():
    spool = opened()
    other = [*SERIES, ("system.uptime", "")]
    add(spool, 0)
    add(spool, 1, series=other)
    add(spool, 2, series=other, boot="second")
    add(spool, 3, series=other, boot="second")
    add(spool, 4)
    batches = [seal(spool, BACKLOG, boot="second", at=4) for _ in range(3)]
    assert [numbers(batch) for batch in batches] == [[0], [1], [2, 3]]
    assert [batch.layout for batch in batches] == [layout_id(SERIES)] + [layout_id(other)] * 2
    assert [batch.boot_id for batch in batches] == [BOOT, BOOT, "second"]


def test_ends_a_batch_with_the_goodbye():
    spool = opened()
    add(spool, 0)
    add(spool, 1, power="shutdown")
    add(spool, 2, boot="second")
    add(spool, 3, boot="second")
    first = seal(spool, BACKLOG, boot="second", at=3)
    assert (numbers(first), first.power) == ([0, 1], "shutdown")
    assert seal(spool, BACKLOG, boot="second", at=3).power == "on"


def test_sends_the_layout_until_it_is_known():
    spool = opened()
    add(spool, 0)
    first = seal(spool, LIVE)
    assert (first.is_layout_known, first.layout_def) == (False, [list(pair) for pair in SERIES])
    spool.acknowledge(first, at=START_MS)
    add(spool, 1)
    assert seal(spool, LIVE).is_layout_known


def test_puts_samples_where_the_ticks_say_after_the_clock_was_stepped():
    spool = opened()
    for n in range(3):
        add(spool, n, wall_error=-7_200_000)
    add(spool, 3)
    batch = seal(spool, BACKLOG, at=3)
    assert [ts for ts, _ in batch.rows] == [START_MS + n * 60_000 for n in range(3)]


def test_does_not_move_samples_of_another_boot():
    spool = opened()
    add(spool, 0, boot="first", wall_error=-5_000)
    add(spool, 1, boot="second")
    assert [ts for ts, _ in seal(spool, BACKLOG, boot="second", at=9).rows] == [START_MS - 5_000]


def test_resends_the_same_rows_under_the_same_number_whatever_the_clock_does_meanwhile():
    spool = opened()
    add(spool, 0)
    batch = seal(spool, LIVE)
    add(spool, 1)
    assert spool.load(batch.seq).rows == batch.rows


def test_keeps_a_section_once_until_it_changes():
    spool = opened()
    add(spool, 0)
    assert spool.add_section("system", {"a": 1}, "h1", taken_at=START_MS, ticks=0)
    assert not spool.add_section("system", {"a": 1}, "h1", taken_at=START_MS, ticks=0)
    assert spool.add_section("system", {"a": 2}, "h2", taken_at=START_MS, ticks=0)
    batch = seal(spool, BULK)
    assert batch.sections == {"system": {"sha256": "h1", "content": {"a": 1}}}
    assert (batch.rows, batch.layout) == ([], layout_id(SERIES))


def test_carries_noted_events_with_the_next_sample():
    spool = opened()
    spool.note("msp.collector.failed", {"collector": "cpu"}, ts=5)
    add(spool, 0)
    assert seal(spool, LIVE).events == [
        {"ts": 5, "kind": "msp.collector.failed", "data": {"collector": "cpu"}}
    ]
    add(spool, 1)
    assert seal(spool, LIVE).events == []


def test_halves_a_batch_that_is_too_large():
    spool = opened()
    for n in range(6):
        add(spool, n)
    batch = seal(spool, BACKLOG)
    assert spool.halve(batch.seq)
    assert numbers(spool.load(batch.seq)) == [0, 1]
    assert numbers(seal(spool, BACKLOG)) == [2, 3, 4]
    assert spool.halve(batch.seq)
    assert not spool.halve(batch.seq)


def test_sets_a_refused_batch_aside_and_says_so():
    spool = opened()
    add(spool, 0)
    spool.set_aside(seal(spool, LIVE), status=400, message="no", at=START_MS)
    assert spool.depth() == {"live": 0, "backlog": 0, "bulk": 0}
    add(spool, 1)
    (event,) = seal(spool, LIVE).events
    assert (event["kind"], event["data"]["seq"], event["data"]["rows"]) == (
        "msp.batch.refused",
        1,
        1,
    )


def test_begins_an_epoch_with_everything_still_to_send():
    spool = opened()
    for n in range(4):
        add(spool, n)
    seal(spool, BACKLOG, max_items=2)
    seal(spool, LIVE)
    before = spool.epoch
    assert spool.renew_epoch(before - 10) == before + 1
    again = seal(spool, BACKLOG)
    assert (again.seq, again.epoch, numbers(again)) == (1, before + 1, [0, 1, 2])
    assert not again.is_layout_known


def test_ignores_an_acknowledgement_of_an_epoch_that_is_over():
    spool = opened()
    add(spool, 0)
    old = seal(spool, LIVE)
    spool.renew_epoch(START_MS)
    new = seal(spool, LIVE)
    spool.acknowledge(old, at=START_MS)
    assert spool.load(new.seq).rows == new.rows


def test_drops_the_oldest_of_the_lowest_lane_at_the_cap_and_says_what():
    spool = opened(max_bytes=200_000)
    add(spool, 0)
    spool.add_section("software", {"x": "y" * 30_000}, "h", taken_at=START_MS, ticks=0)
    for n in range(1, 4000):
        add(spool, n)
    assert spool.used_bytes() <= 200_000
    kept = spool.depth()
    assert kept["bulk"] == 0
    assert kept["live"] == 1
    newest = seal(spool, LIVE, at=3999)
    assert numbers(newest) == [3999]
    lost = {entry["lane"]: entry for entry in newest.lost}
    assert lost["bulk"]["count"] == 1
    assert lost["backlog"]["count"] == 4000 - 1 - kept["backlog"]
    assert lost["backlog"]["from"] == START_MS
    oldest = seal(spool, BACKLOG, at=3999)
    assert lost["backlog"]["to"] == oldest.rows[0][0] - 60_000
    # Told once: gone with the acknowledgement, back with a refusal.
    assert oldest.lost == []
    spool.set_aside(newest, status=400, message="", at=START_MS)
    assert seal(spool, BACKLOG, at=3999).lost == newest.lost


def test_sends_a_dropped_section_again():
    spool = opened(max_bytes=200_000)
    add(spool, 0)
    spool.add_section("system", {"a": 1}, "h1", taken_at=START_MS, ticks=0)
    for n in range(1, 3000):
        add(spool, n)
    assert spool.add_section("system", {"a": 1}, "h1", taken_at=START_MS, ticks=0)


def test_never_drops_the_sample_it_is_given():
    spool = opened(max_bytes=1)
    add(spool, 0)
    add(spool, 1)
    assert numbers(seal(spool, LIVE)) == [1]


def test_holds_thirty_days_of_minutes_in_a_sixth_of_the_cap(tmp_path):
    spool = opened(tmp_path / "s.db")
    series = [("system.filesystem.utilization", f"/volume-{n}") for n in range(30)]
    days_minutes = 3 * 24 * 60
    spool._db.execute("PRAGMA synchronous=OFF")  # the size is what is asked here
    for n in range(days_minutes):
        add(spool, n, series=series)
    assert spool.used_bytes() * 10 < 11 * 1024 * 1024


@pytest.mark.parametrize("damage", ["text", "middle", "schema"])
def test_sets_a_corrupt_file_aside_and_begins_a_new_epoch(tmp_path, damage):
    path = tmp_path / "s.db"
    spool = opened(path)
    for n in range(400):
        add(spool, n)
    spool.close()
    if damage == "text":
        path.write_bytes(b"this is no database" * 100)
    elif damage == "middle":
        data = bytearray(path.read_bytes())
        data[4096 : 4096 * 6] = os.urandom(4096 * 5)
        path.write_bytes(data)
    else:
        with sqlite3.connect(path) as db:
            db.execute("DROP TABLE item")
            db.execute("DROP TABLE meta")
        db.close()
    spool = open_spool(path, now_ms=START_MS + 5)
    assert spool.epoch == START_MS + 5
    add(spool, 0)
    assert seal(spool, LIVE).events[0]["kind"] == "msp.spool.corrupt"
    assert [kept.name for kept in tmp_path.glob("s.db.corrupt-*")] == [
        f"s.db.corrupt-{START_MS + 5}"
    ]


def test_opens_a_healthy_file_as_it_was(tmp_path):
    path = tmp_path / "s.db"
    spool = opened(path)
    add(spool, 0)
    spool.close()
    spool = open_spool(path, now_ms=START_MS + 5)
    assert spool.epoch == START_MS
    assert numbers(seal(spool, LIVE)) == [0]


def test_is_synchronous_enough_that_a_power_cut_takes_back_no_number(tmp_path):
    spool = opened(tmp_path / "s.db")
    assert spool._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert spool._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from msp_agent.spool import Spool
spool = Spool(Path(sys.argv[1]), now_ms=1)
n = 0
while True:
    spool.add_sample([("m", "")], [float(n)], taken_at=n, ticks=n, boot_id="b", boot_time=0)
    print(n, flush=True)
    n += 1
"""


def test_loses_nothing_it_confirmed_when_killed_while_writing(tmp_path):
    path = tmp_path / "s.db"
    for attempt in range(3):
        path = tmp_path / f"{attempt}.db"
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), AGENT_ROOT], stdout=subprocess.PIPE, text=True
        )
        for _ in range(40 + attempt):
            process.stdout.readline()
        process.kill()
        confirmed = 39 + attempt
        rest = process.stdout.read().split("\n")
        confirmed = max([confirmed, *(int(line) for line in rest[:-1])])
        process.wait()
        process.stdout.close()
        spool = open_spool(path, now_ms=2)
        assert spool.epoch == 1
        assert sum(spool.depth().values()) in (confirmed + 1, confirmed + 2)
        spool.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["add", "live", "backlog", "ack", "epoch", "halve"]), max_size=60))
def test_accounts_for_every_sample_in_any_order_of_events(actions):
    """Samples added = samples stored at the server + samples waiting, and none stored twice
    under one epoch."""
    spool = opened()
    added, waiting, stored = 0, [], []
    for action in actions:
        if action == "add":
            add(spool, added)
            added += 1
        elif action in ("live", "backlog"):
            batch = seal(spool, LIVE if action == "live" else BACKLOG, at=added, max_items=7)
            waiting += [batch.seq] if batch else []
        elif action == "ack" and waiting:
            batch = spool.load(waiting.pop(0))
            stored += numbers(batch)
            spool.acknowledge(batch, at=START_MS)
        elif action == "halve" and waiting:
            spool.halve(waiting[-1])
        elif action == "epoch":
            spool.renew_epoch(START_MS)
            waiting = []
    left = []
    while waiting:
        left += numbers(spool.load(waiting.pop()))
    while batch := seal(spool, LIVE, at=added) or seal(spool, BACKLOG, at=added):
        left += numbers(batch)
    spool.close()
    assert sorted(stored + left) == list(range(added))
