"""Fixtures of the agent's tests: no Django, nothing from the root conftest."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from msp_agent.clock import Clock
from msp_agent.identity import Identity, load_or_make_key
from msp_agent.keeper import Keeper
from msp_agent.sender import Sender
from msp_agent.signing import Ed25519Signer
from msp_agent.transport import Transport

from .double import BOOT, SERIES, START_MS, FakeTime, ServerDouble


@pytest.fixture
def server() -> Iterator[ServerDouble]:
    with ServerDouble() as double:
        yield double


@pytest.fixture
def time_() -> FakeTime:
    return FakeTime()


class Bench:
    """An enrolled agent's sending half, driven by hand: spool, sender, fake time, real HTTP."""

    def __init__(self, server: ServerDouble, state_dir: Path, fake: FakeTime) -> None:
        self.server = server
        self.time = fake
        self.clock = Clock(wall=fake.wall, ticks=fake.ticks)
        self.keeper = Keeper(state_dir / "spool.db", clock=self.clock)
        key = load_or_make_key(state_dir)
        self.identity: Identity = server.know(key.public_key())
        self.transport = Transport(server.url)
        self.answers: list[dict] = []
        self.sender = Sender(
            keeper=self.keeper,
            transport=self.transport,
            signer=Ed25519Signer(self.identity.key_id, key),
            clock=self.clock,
            boot_id=BOOT,
            backlog_per_second=2.0,
            on_answer=self.answers.append,
            monotonic=fake.monotonic,
            rng=random.Random(1),
        )

    @property
    def spool(self):
        return self.keeper.spool

    def sample(self, value: float = 0.5, *, power: str = "on") -> int:
        """Spool one sample and return its true time in ms."""
        self.spool.add_sample(
            SERIES,
            [value] * len(SERIES),
            taken_at=self.clock.wall_ms(),
            ticks=self.clock.ticks_ms(),
            boot_id=BOOT,
            boot_time=START_MS - 1_000_000,
            power=power,
        )
        return self.time.true_ms

    def settle(self, *, seconds: float = 30.0) -> None:
        """Step as the sender's thread would for a while, fake time passing instead of real."""
        end = self.time.true_ms + int(seconds * 1000)
        while True:
            wait = self.sender.step()
            if self.time.true_ms + wait * 1000 > end:
                return
            self.time.pass_(wait)


@pytest.fixture
def bench(server: ServerDouble, tmp_path: Path, time_: FakeTime) -> Iterator[Bench]:
    made = Bench(server, tmp_path, time_)
    server.now_ms = time_.server_ms
    yield made
    made.transport.close()
    made.spool.close()
