"""Workers are killed and the broker forgets everything: no effect is lost or doubled."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import psycopg2
import pytest
from redis import Redis

from tests.faults.outbox import EFFECTS
from tests.stage import Stage

RECOVERY_SECONDS = 30  # security design, section 1
WORKER = (
    sys.executable, "-m", "celery", "-A", "msp.celery", "worker", "--concurrency", "2",
    "--loglevel", "ERROR", "--without-gossip", "--without-mingle",
)  # fmt: skip
BEAT = (sys.executable, "-m", "celery", "-A", "msp.celery", "beat", "--loglevel", "ERROR",
        "--pidfile=", "--schedule")  # fmt: skip


@pytest.mark.flow
def test_no_effect_is_lost_or_doubled(stage: Stage, tmp_path) -> None:
    _faults(stage, str(tmp_path / "beat"), faults=3, seed=7)


@pytest.mark.soak
def test_no_effect_is_lost_or_doubled_in_fifty_faults(stage: Stage, tmp_path) -> None:
    _faults(stage, str(tmp_path / "beat"), faults=50, seed=11)


def _faults(stage: Stage, beat_schedule: str, *, faults: int, seed: int) -> None:
    chance = random.Random(seed)
    owner = psycopg2.connect(stage.env["DATABASE_OWNER_URL"])
    owner.autocommit = True
    with owner.cursor() as cursor:
        cursor.execute(EFFECTS)
        cursor.execute("GRANT INSERT ON fault_effect TO PUBLIC")
    stage.start("worker", *WORKER, stdout=subprocess.DEVNULL)
    stage.start("beat", *BEAT, beat_schedule)
    published = 0
    slowest = 0.0
    for fault in range(faults):
        publisher = stage.start(
            "publisher", sys.executable, "-m", "tests.faults.publish", str(published),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert publisher.stdout is not None
        assert publisher.stdin is not None
        target = published + chance.randrange(30, 120)
        while published < target:
            published = int(publisher.stdout.readline()) + 1
        if (kind := chance.choice(["worker", "flush", "both"] if fault else ["both"])) != "flush":
            stage.kill("worker")
        if kind != "worker":
            Redis.from_url(stage.env["REDIS_URL"]).flushall()
        struck = time.monotonic()
        publisher.stdin.write("stop\n")
        publisher.stdin.flush()
        for line in publisher.stdout:
            published = int(line) + 1
        publisher.wait()
        stage.processes.pop("publisher")
        if kind != "flush":
            stage.start("worker", *WORKER, stdout=subprocess.DEVNULL)
        while _done(owner) < published:
            waited = time.monotonic() - struck
            assert waited <= RECOVERY_SECONDS, f"fault {fault} ({kind}): not recovered"
            time.sleep(0.2)
        slowest = max(slowest, time.monotonic() - struck)
    with owner.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT number) FROM fault_effect")
        effects, distinct = cursor.fetchone()
    owner.close()
    print(f"\n{faults} faults, {published} events, slowest recovery {slowest:.1f} s")
    assert (effects, distinct) == (published, published)


def _done(owner: psycopg2.extensions.connection) -> int:
    with owner.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM core_delivery WHERE done_at IS NOT NULL")
        return int(cursor.fetchone()[0])
