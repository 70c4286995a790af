"""Get what is spooled to the server, and react to what it answers.

`step()` does at most one exchange and says how long to wait; the thread around it is in `run.py`.
The order is live, backlog, bulk. A batch is deleted after a 200 that speaks our protocol, never
otherwise.
"""

import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from msp_agent import wire
from msp_agent.clock import Clock
from msp_agent.keeper import Keeper
from msp_agent.log import logger
from msp_agent.session import NoSession, Session
from msp_agent.signing import Signer
from msp_agent.spool import BACKLOG, BULK, LANES, LIVE, MAX_ITEMS_PER_BATCH, Spool
from msp_agent.transport import Answer, NoAnswer, Transport
from msp_agent.wire import Batch

BACKOFF_FROM_SECONDS = 2.0
BACKOFF_CAP_SECONDS = {LIVE: 300.0, BACKLOG: 300.0, BULK: 1800.0}
REFUSED_SECONDS = {"revoked": 3600.0, "quarantined": 3600.0, "pending": 60.0}
RETRY_AFTER_CAP_SECONDS = 3600.0
RETRY_AFTER_FLOOR_SECONDS = 1.0
MAX_EPOCHS_WITHOUT_SUCCESS = 3
IDLE_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 1.0
OK, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, CONFLICT = 200, 400, 401, 403, 409
TOO_LARGE, UNSUPPORTED, TOO_MANY, UNAVAILABLE = 413, 415, 429, 503


class Backoff:
    """Decorrelated jitter: each wait is drawn between the base and three times the last one."""

    def __init__(self, cap_seconds: float, rng: random.Random) -> None:
        self._cap = cap_seconds
        self._rng = rng
        self._last = BACKOFF_FROM_SECONDS

    def next(self) -> float:
        """Return how long to wait this time, in seconds."""
        self._last = min(self._cap, self._rng.uniform(BACKOFF_FROM_SECONDS, self._last * 3))
        return self._last

    def reset(self) -> None:
        """Begin small again: something worked."""
        self._last = BACKOFF_FROM_SECONDS


class Sender:
    """Send the lanes of one spool to one server."""

    def __init__(
        self,
        *,
        keeper: Keeper,
        transport: Transport,
        signer: Signer,
        clock: Clock,
        boot_id: str,
        backlog_per_second: float,
        on_answer: Callable[[dict[str, Any]], None] = lambda body: None,
        monotonic: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        """`signer` is the device's own key; reports are signed by session keys it agrees on.

        `on_answer` gets the body of every 200: interval, configuration tag, waiting jobs.
        """
        rng = rng or random.Random()  # noqa: S311 - spreads load, keeps no secret
        self._keeper = keeper
        self._transport = transport
        self._session = Session(signer, transport=transport, clock=clock)
        self._clock = clock
        self._boot_id = boot_id
        self._backlog_seconds = 1.0 / backlog_per_second
        self._on_answer = on_answer
        self._monotonic = monotonic
        self._held_until = dict.fromkeys((LIVE, BACKLOG, BULK), 0.0)
        self._backoff = {lane: Backoff(cap, rng) for lane, cap in BACKOFF_CAP_SECONDS.items()}
        self._unproven: int | None = None  # a sealed batch to try the path with after a failure
        self._epochs_begun = 0
        self._max_items = MAX_ITEMS_PER_BATCH

    @property
    def _spool(self) -> Spool:
        return self._keeper.spool

    def step(self) -> float:
        """Send one batch if one may go now; return how many seconds to wait before the next step.

        Errors: sqlite3.Error if the spool fails.
        """
        lane = self._next_lane()
        if lane is None:
            return self._wait()
        try:
            # Connected first, numbered then: while nobody listens, samples stay unnumbered and
            # later share batches.
            self._transport.connect()
        except NoAnswer as error:
            self._failed(LIVE, str(error))
            return self._wait()
        batch = self._spool.load(self._unproven) if self._unproven is not None else None
        if batch is None:
            self._unproven = None
            seq = self._spool.oldest_sealed(lane)
            if seq is None:
                seq = self._seal(lane)
            batch = self._spool.load(seq) if seq is not None else None
        if batch is None:  # the cap took it between two looks
            self._hold(lane, LOOK_AGAIN_SECONDS)
        else:
            self._deliver(batch)
        return self._wait()

    # -- what goes next

    def _next_lane(self) -> int | None:
        now = self._monotonic()
        if self._unproven is not None:
            return LIVE if now >= self._held_until[LIVE] else None
        for lane in (LIVE, BACKLOG, BULK):
            if now >= self._held_until[lane] and self._has_work(lane):
                return lane
        return None

    def _has_work(self, lane: int) -> bool:
        return self._spool.has_unsealed(lane) or self._spool.oldest_sealed(lane) is not None

    def _wait(self) -> float:
        now = self._monotonic()
        if self._unproven is not None:
            return max(0.0, self._held_until[LIVE] - now)
        waits = [
            max(0.0, self._held_until[lane] - now)
            for lane in (LIVE, BACKLOG, BULK)
            if self._has_work(lane)
        ]
        return min(waits, default=IDLE_SECONDS)

    def _seal(self, lane: int) -> int | None:
        return self._spool.seal(
            lane,
            clock_offset=self._clock.offset_ms,
            wall_now=self._clock.wall_ms(),
            ticks_now=self._clock.ticks_ms(),
            boot_id=self._boot_id,
            max_items=self._max_items,
        )

    # -- one batch and its answer

    def _deliver(self, batch: Batch) -> None:
        try:
            answer = self._post(batch, with_layout=False)
            if answer.status == UNAUTHORIZED:
                # Either the time was wrong, and `_post` has learned the server's (rows sealed under
                # the old one moved too), or the session key is no longer known.
                if answer.body.get("code") != "skewed":
                    self._session.forget()
                answer = self._post(self._spool.load(batch.seq) or batch, with_layout=False)
            if answer.status == CONFLICT and answer.body.get("code") == "unknown_layout":
                answer = self._post(self._spool.load(batch.seq) or batch, with_layout=True)
        except NoAnswer as error:
            self._gave_out(batch, str(error))
            return
        code = str(answer.body.get("code") or "")
        explained = f"{answer.status} {code} {answer.body.get('message') or ''}".strip()
        if answer.status == OK and isinstance(answer.body.get("stored"), int):
            self._stored(batch, answer)
        elif answer.status in (BAD_REQUEST, UNSUPPORTED) and code:
            self._refuse(batch, answer.status, explained)
        elif answer.status == FORBIDDEN and code in REFUSED_SECONDS:
            self._unproven = batch.seq
            self._trouble(explained)
            self._hold(LIVE, REFUSED_SECONDS[code])
        elif answer.status == CONFLICT and code == "stale_epoch":
            self._begin_epoch(explained)
        elif answer.status == TOO_LARGE:
            self._halve(batch, explained)
        elif answer.status in (TOO_MANY, UNAVAILABLE):
            self._wait_as_told(batch, answer, explained)
        else:
            # A gateway without its server, a captive portal, a fault: as good as no answer.
            self._gave_out(batch, explained)

    def _post(self, batch: Batch, *, with_layout: bool) -> Answer:
        report = wire.report(batch, sent_at=self._clock.wall_ms(), with_layout=with_layout)
        body, content_headers = wire.encode(report)
        try:
            signer = self._session.signer()
        except NoSession as error:
            self._learn_time(error.answer)
            return error.answer
        answer = self._transport.post_signed(
            wire.TELEMETRY_PATH,
            body,
            signer=signer,
            created=self._clock.server_seconds,
            content=content_headers,
        )
        self._learn_time(answer)
        return answer

    def _learn_time(self, answer: Answer) -> None:
        server_ms = answer.body.get("time")
        if isinstance(server_ms, int) and self._clock.learn(server_ms, answer.round_trip_ms):
            logger.info("clock: %+d ms to the server", self._clock.offset_ms)
            self._spool.set(clock_offset=self._clock.offset_ms)
            self._spool.mend_times(
                clock_offset=self._clock.offset_ms,
                wall_now=self._clock.wall_ms(),
                ticks_now=self._clock.ticks_ms(),
                boot_id=self._boot_id,
            )

    # -- the reactions

    def _stored(self, batch: Batch, answer: Answer) -> None:
        self._spool.acknowledge(batch, at=self._clock.server_ms())
        self._unproven = None
        self._epochs_begun = 0
        lane = LANES.index(batch.lane)
        for backoff in self._backoff.values():
            backoff.reset()
        if self._spool.get("last_error") is not None:
            logger.info("the server answers again")
            self._spool.set(last_error=None, last_error_at=None)
        rejected = answer.body.get("rejected") or []
        if rejected:
            logger.warning("batch %d: %d rows rejected: %s", batch.seq, len(rejected), rejected[:3])
        if lane != LIVE:
            self._hold(BACKLOG, self._backlog_seconds)
        self._max_items = min(MAX_ITEMS_PER_BATCH, self._max_items + 1)
        self._on_answer(answer.body)

    def _refuse(self, batch: Batch, status: int, explained: str) -> None:
        logger.error("batch %d is refused and set aside: %s", batch.seq, explained)
        self._unproven = None
        self._spool.set_aside(batch, status=status, message=explained, at=self._clock.wall_ms())
        self._trouble(explained)

    def _begin_epoch(self, explained: str) -> None:
        self._unproven = None
        epoch = self._spool.renew_epoch(self._clock.server_ms())
        logger.warning("%s: new epoch %d", explained, epoch)
        self._epochs_begun += 1
        if self._epochs_begun > MAX_EPOCHS_WITHOUT_SUCCESS:
            self._failed(LIVE, explained)

    def _halve(self, batch: Batch, explained: str) -> None:
        self._unproven = None
        if self._spool.halve(batch.seq):
            self._max_items = max(1, min(self._max_items, len(batch.rows)) // 2)
        else:
            self._refuse(batch, TOO_LARGE, explained)

    def _wait_as_told(self, batch: Batch, answer: Answer, explained: str) -> None:
        lane = LANES.index(batch.lane)
        seconds = _retry_after(answer.headers.get("retry-after"), self._clock.server_ms())
        if seconds is None:
            seconds = self._backoff[lane].next()
        self._trouble(explained)
        # "Device over rate" means all of it. A full node refuses backlog first: live goes on.
        from_lane = LIVE if answer.status == TOO_MANY else lane
        self._unproven = batch.seq if from_lane == LIVE else None
        self._hold(from_lane, seconds)

    def _gave_out(self, batch: Batch, message: str) -> None:
        """Back off after an exchange without a verdict.

        After a live batch nothing new is numbered until that one is through. One of the lower
        lanes holds back only its own: should it be what breaks the path, live still gets through.
        """
        lane = LANES.index(batch.lane)
        self._unproven = batch.seq if lane == LIVE else None
        self._failed(lane, message)

    def _failed(self, lane: int, message: str) -> None:
        self._trouble(message)
        self._hold(lane, self._backoff[lane].next())

    def _trouble(self, message: str) -> None:
        """Remember the last error for `status`; log it when it is another one."""
        if self._spool.get("last_error") != message:
            logger.warning("not delivered: %s", message)
        self._spool.set(last_error=message[:500], last_error_at=self._clock.wall_ms())

    def _hold(self, lane: int, seconds: float) -> None:
        """Keep back a lane and those below it."""
        until = self._monotonic() + seconds
        for held in range(lane, BULK + 1):
            self._held_until[held] = max(self._held_until[held], until)

    def hurry(self) -> None:
        """Forget all waiting: the machine is going down, and this is the last chance."""
        self._held_until = dict.fromkeys(self._held_until, 0.0)


def _retry_after(value: str | None, now_ms: int) -> float | None:
    """Return the seconds of a Retry-After field (a number or a date), None if it says neither."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now_ms / 1000
        except ValueError:
            return None
    return min(RETRY_AFTER_CAP_SECONDS, max(RETRY_AFTER_FLOOR_SECONDS, seconds))
