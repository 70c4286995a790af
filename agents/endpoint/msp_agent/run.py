"""The agent's loop: sample, spool, send, until asked to stop.

The main thread samples on schedule; one thread sends; each collector has its own. They meet in
the spool, and a crash of any of them at any point loses nothing that is in it.
"""

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from msp_agent import __version__
from msp_agent.breach import Breaches
from msp_agent.clock import Clock
from msp_agent.collectors import all_collectors, light_collectors
from msp_agent.config import (
    DEFAULT_INTERVAL_SECONDS,
    MAX_INTERVAL_SECONDS,
    AgentConfig,
)
from msp_agent.hardware import read_boot_id
from msp_agent.identity import Identity, save_identity, signer_for, with_status
from msp_agent.inventory import boot_time_ms, section_hash, system_section
from msp_agent.keeper import Keeper
from msp_agent.log import logger
from msp_agent.sampler import Sampler
from msp_agent.sender import Sender
from msp_agent.shutdown import StopSignal, system_is_stopping
from msp_agent.spool import MEGABYTE
from msp_agent.transport import Transport

SPOOL_FILE = "spool.db"
SAMPLE_TIMEOUT_SECONDS = 5.0
CHECK_TIMEOUT_SECONDS = 2.0
SECTION_PERIOD_SECONDS = 3600.0
FLUSH_SECONDS = 3.0
LAST_SAMPLE_SECONDS = 1.0
STOP_SECONDS = 4.0  # asking systemd, the last sample and the flush together
JOIN_SECONDS = 0.5
# What the server may ask for. Less than this is for tests, by the environment.
MIN_SERVER_INTERVAL_SECONDS = 10.0
AFTER_CRASH_SECONDS = 30.0


class Agent:
    """One enrolled device at work."""

    def __init__(
        self,
        config: AgentConfig,
        *,
        identity: Identity,
        key: Ed25519PrivateKey,
        stop: StopSignal,
        clock: Clock | None = None,
        is_system_stopping: Callable[[], bool] = system_is_stopping,
    ) -> None:
        self.config = config
        self.identity = identity
        self.stop = stop
        self.clock = clock or Clock()
        self.boot_id = read_boot_id()
        self.keeper = Keeper(
            config.state_dir / SPOOL_FILE,
            clock=self.clock,
            max_bytes=config.spool_megabytes * MEGABYTE,
        )
        known_offset = self.keeper.spool.get("clock_offset")
        if known_offset is not None:
            self.clock.offset_ms, self.clock.is_compared = int(known_offset), True
        self.interval = self._first_interval()
        self.sampler = Sampler(
            all_collectors(
                volumes_include=config.volumes_include,
                services=config.services_watch,
                clock=self.clock,
            ),
            note=self._note,
        )
        # Its troubles are the other sampler's too, which reports them.
        self.light_sampler = Sampler(
            light_collectors(
                volumes_include=config.volumes_include, services=config.services_watch
            ),
            note=lambda kind, data: None,
        )
        self.breaches = Breaches(config.push)
        self.transport = Transport(config.server or identity.server, ca_file=config.ca_file)
        self.sender = Sender(
            keeper=self.keeper,
            transport=self.transport,
            signer=signer_for(identity, key),
            clock=self.clock,
            boot_id=self.boot_id,
            backlog_per_second=config.backlog_per_second,
            on_answer=self._heed,
        )
        self._is_system_stopping = is_system_stopping
        self._wake = threading.Event()
        self._flush_until: float | None = None  # monotonic seconds; None: not stopping
        self._sections_due = 0.0
        self._is_in_step = False  # whether the last sample was taken in this device's slot

    # -- the loop

    def run(self) -> None:
        """Report until stopped; then flush for at most three seconds."""
        logger.info(
            "msp-agent %s: device %s reports to %s every %g s",
            __version__,
            self.identity.device,
            self.transport.authority,
            self.interval,
        )
        thread = threading.Thread(target=self._send, name="sender", daemon=True)
        thread.start()
        self.tick()
        due = time.monotonic() + self._until_next_sample()
        while not self.stop.wait(self._until_next_look(due)):
            if time.monotonic() >= due:
                self.tick()
                due = time.monotonic() + self._until_next_sample()
            else:
                self.check()
        self._finish(thread)

    def check(self) -> None:
        """Take a full sample if something has broken that no sample has shown yet."""
        light = self.light_sampler.sample(timeout_seconds=CHECK_TIMEOUT_SECONDS)
        causes = self.breaches.to_push(light)
        if causes:
            logger.info("breach: %s", ", ".join(" ".join(cause).strip() for cause in causes))
            self.tick()

    def tick(self, *, power: str = "on", timeout_seconds: float = SAMPLE_TIMEOUT_SECONDS) -> None:
        """Take one sample, keep it, and have it sent."""
        taken_at, ticks = self.clock.wall_ms(), self.clock.ticks_ms()
        sample = self.sampler.sample(timeout_seconds=timeout_seconds)
        self.keeper.back_to_disk()
        if not sample.series:
            return  # nothing could be measured; what went wrong is noted

        def keep() -> None:
            self.keeper.spool.add_sample(
                sample.series,
                sample.values,
                taken_at=taken_at,
                ticks=ticks,
                boot_id=self.boot_id,
                boot_time=boot_time_ms(self.clock.server_ms(), self.clock.ticks_ms()),
                power=power,
            )
            self._keep_sections(taken_at, ticks)

        self._guarded(keep)
        self.breaches.told_by(sample)
        self._wake.set()

    def _until_next_look(self, due: float) -> float:
        left = max(0.0, due - time.monotonic())
        return min(left, self.config.check_seconds) if self.config.check_seconds else left

    def _until_next_sample(self) -> float:
        """Return the seconds to the device's next slot, never more than one and a half intervals.

        Slots are spread over the interval by device, so a fleet does not report in step. The first
        sample was taken at once: the next one is at least half an interval later.
        """
        interval_ms = int(self.interval * 1000)
        phase = phase_ms(self.identity.device, interval_ms)
        into_slot = (self.clock.server_ms() - phase) % interval_ms
        wait = interval_ms - into_slot
        if not self._is_in_step and wait < interval_ms / 2:
            wait += interval_ms
        self._is_in_step = True
        return wait / 1000

    def _keep_sections(self, taken_at: int, ticks: int) -> None:
        now = time.monotonic()
        if now < self._sections_due:
            return
        self._sections_due = now + SECTION_PERIOD_SECONDS
        spool = self.keeper.spool
        content = system_section(boot_time=spool.boot_time(self.boot_id) or 0)
        spool.add_section("system", content, section_hash(content), taken_at=taken_at, ticks=ticks)

    # -- sending

    def _send(self) -> None:
        while self._may_send():
            wait = AFTER_CRASH_SECONDS
            try:
                wait = self.sender.step()
            except sqlite3.Error as error:
                self._replace_spool(error)
            except Exception as error:  # a fault in here must not end reporting for good
                logger.exception("sending failed: %s", error)
            if self._flush_until is None:
                self._wake.wait(wait)
                self._wake.clear()
            elif wait > self._flush_until - time.monotonic():
                return
            else:
                time.sleep(wait)

    def _may_send(self) -> bool:
        return self._flush_until is None or time.monotonic() < self._flush_until

    def _finish(self, thread: threading.Thread) -> None:
        """Flush what can be flushed, say goodbye if the machine goes down, and stop."""
        began = time.monotonic()
        if self._is_system_stopping():
            logger.info("the system is shutting down")
            self.tick(power="shutdown", timeout_seconds=LAST_SAMPLE_SECONDS)
        logger.info("stopping")
        self.sender.hurry()
        self._flush_until = min(time.monotonic() + FLUSH_SECONDS, began + STOP_SECONDS)
        self._wake.set()
        thread.join(max(0.0, self._flush_until - time.monotonic()))
        self.transport.abort()
        thread.join(JOIN_SECONDS)
        if not thread.is_alive():
            self.keeper.spool.close()

    # -- what the server and the collectors say

    def _heed(self, answer: dict[str, Any]) -> None:
        """Take from a 200 what concerns the agent as a whole."""
        if self.identity.status != "active":
            self.identity = with_status(self.identity, "active")
            save_identity(self.config.state_dir, self.identity)
            logger.info("the device is approved")
        interval = _interval(answer.get("next_interval"))
        if self.config.interval_seconds is None and interval not in (None, self.interval):
            logger.info("reporting every %g s from now on", interval)
            self.interval = interval or self.interval
            self._is_in_step = False
            self.keeper.spool.set(interval=interval)

    def _note(self, kind: str, data: dict[str, Any]) -> None:
        self._guarded(lambda: self.keeper.spool.note(kind, data, ts=self.clock.wall_ms()))

    def _first_interval(self) -> float:
        if self.config.interval_seconds is not None:
            return self.config.interval_seconds
        return _interval(self.keeper.spool.get("interval")) or DEFAULT_INTERVAL_SECONDS

    # -- when the spool fails

    def _guarded(self, write: Callable[[], None]) -> None:
        """Write to the spool; if it fails, write to the one that replaces it."""
        try:
            write()
        except sqlite3.Error as error:
            self._replace_spool(error)
            try:
                write()
            except sqlite3.Error as again:
                self._replace_spool(again, again=True)
                write()

    def _replace_spool(self, error: sqlite3.Error, *, again: bool = False) -> None:
        logger.error("the spool failed: %s", error)
        self.keeper.failed(error, again=again)
        self._sections_due = 0.0


def phase_ms(device: str, interval_ms: int) -> int:
    """Return where in the interval a device reports: the same for ever, spread over the fleet."""
    return int.from_bytes(hashlib.sha256(device.encode()).digest()[:8], "big") % interval_ms


def _interval(value: Any) -> float | None:
    """Return an interval that a server may ask for, in seconds, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if MIN_SERVER_INTERVAL_SECONDS <= value <= MAX_INTERVAL_SECONDS else None
