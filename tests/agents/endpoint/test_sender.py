"""What the agent does on each answer, against a real HTTP server that checks signatures."""

import pytest
from msp_agent.sender import Backoff, _retry_after

from .double import BOOT, START_MS

HOUR = 3600


def seqs(server):
    return [report["seq"] for report in server.requests]


def test_deletes_only_what_the_server_has_stored(bench):
    bench.sample(0.25)
    bench.settle()
    assert bench.server.rows()[START_MS, "system.cpu.utilization", ""] == 0.25
    assert bench.spool.depth() == {"live": 0, "backlog": 0, "bulk": 0}
    assert bench.spool.get("last_ack") == START_MS
    assert bench.server.bad_signatures == []


def test_hands_on_what_the_server_asks_for(bench):
    bench.sample()
    bench.settle()
    assert bench.answers[0]["next_interval"] == 60


def test_reuses_its_connection(bench):
    for _ in range(5):
        bench.sample()
        bench.settle()
        bench.time.pass_(60)
    assert (len(bench.server.stored), bench.server.connections) == (5, 1)


def test_opens_the_connection_again_when_the_server_closed_it_while_idle(bench):
    bench.sample()
    bench.settle()
    port = bench.server.port
    bench.server.stop()
    bench.server.start(port)
    bench.sample()
    bench.time.pass_(1)
    assert bench.sender.step() >= 0
    assert bench.spool.depth()["live"] == 0
    assert bench.spool.get("last_error") is None


def test_sends_the_layout_once(bench):
    for _ in range(3):
        bench.sample()
        bench.settle()
        bench.time.pass_(60)
    assert ["layout_def" in report for report in bench.server.requests] == [True, False, False]


def test_compresses_larger_reports_and_not_small_ones(bench):
    bench.sample()
    bench.settle()
    bench.server.refuse_everything = (503, {"code": "full", "time": START_MS}, {"Retry-After": "5"})
    for _ in range(50):
        bench.time.pass_(60)
        bench.sample()
    bench.server.refuse_everything = None
    bench.settle(seconds=120)
    assert len(bench.server.times()) == 51  # the double inflates what says it is gzip


# -- 200


@pytest.mark.parametrize("answer", [b"<html>Please sign in</html>", b"[]", {"ok": True}])
def test_believes_no_200_that_is_not_ours(bench, answer):
    """A captive portal answers 200 to everything."""
    bench.server.script = [(200, answer, {})]
    bench.sample()
    bench.settle(seconds=1)
    assert bench.spool.depth()["live"] == 1
    bench.settle(seconds=30)
    assert bench.spool.depth()["live"] == 0
    assert seqs(bench.server) == [1, 1]


def test_never_repeats_rejected_rows(bench):
    bench.server.script = [
        (200, {"stored": 0, "acked_through": 1, "rejected": [{"row": 0, "reason": "x"}]}, {})
    ]
    bench.sample()
    bench.settle(seconds=HOUR)
    assert len(bench.server.requests) == 1


# -- 400, 415, 413


@pytest.mark.parametrize("status", [400, 415])
def test_sets_a_refused_batch_aside_reports_it_and_goes_on(bench, status):
    bench.server.script = [(status, "bad_request", {})]
    bench.sample()
    bench.settle()
    bench.time.pass_(60)
    bench.sample()
    bench.settle()
    assert seqs(bench.server) == [1, 2]
    (event,) = bench.server.requests[1]["events"]
    assert (event["kind"], event["data"]["status"]) == ("msp.batch.refused", status)


def test_does_not_throw_away_a_batch_for_a_gateways_400(bench):
    bench.server.script = [(400, b"<html>Bad Request</html>", {})]
    bench.sample()
    bench.settle(seconds=60)
    assert bench.spool.depth()["live"] == 0
    assert len(bench.server.stored) == 1


def test_halves_a_batch_until_it_fits(bench):
    times = []
    for _ in range(9):
        times.append(bench.sample())
        bench.time.pass_(60)
    bench.sender.step()  # live
    bench.server.script = [(413, "too_large", {}), (413, "too_large", {})]
    bench.settle(seconds=60)
    assert sorted(bench.server.times()) == times
    sizes = [len(report["rows"]) for report in bench.server.requests]
    assert sizes[:4] == [1, 8, 4, 2]


def test_sets_a_single_row_that_is_too_large_aside(bench):
    bench.server.script = [(413, "too_large", {})]
    bench.sample()
    bench.settle()
    assert bench.spool.depth()["live"] == 0


# -- 401


@pytest.mark.parametrize("error_ms", [-7_200_000, 7_200_000, 86_400_000 * 365])
def test_corrects_its_clock_from_the_answer_and_places_the_samples_rightly(bench, error_ms):
    bench.time.wall_error_ms = error_ms
    times = []
    for _ in range(3):
        times.append(bench.sample())
        bench.time.pass_(60)
    bench.settle()
    # Half a real round trip on loopback is all the doubt there is.
    assert sorted(bench.server.times()) == pytest.approx(times, abs=100)
    assert bench.clock.offset_ms == pytest.approx(-error_ms, abs=200)
    assert bench.spool.get("clock_offset") == bench.clock.offset_ms
    assert bench.server.bad_signatures == []


def test_places_samples_rightly_when_somebody_mends_the_clock_meanwhile(bench):
    bench.time.wall_error_ms = -7_200_000
    times = [bench.sample()]
    bench.settle()
    bench.server.refuse_everything = (502, {}, {})
    for _ in range(5):
        bench.time.pass_(60)
        times.append(bench.sample())
        bench.settle(seconds=0)
    bench.time.wall_error_ms = 0
    bench.server.refuse_everything = None
    bench.time.pass_(400)
    times.append(bench.sample())
    bench.settle(seconds=600)
    assert sorted(bench.server.times()) == pytest.approx(times, abs=300)
    assert len(bench.server.times()) == len(times)


def test_retries_a_401_once_and_then_backs_off(bench):
    bench.server.script = [(401, "bad_signature", {})] * 2
    bench.sample()
    wait = bench.sender.step()
    assert len(bench.server.requests) == 2
    assert wait >= 2
    bench.settle()
    assert bench.spool.depth()["live"] == 0


# -- 403


@pytest.mark.parametrize(
    ("code", "seconds"), [("revoked", 3600), ("quarantined", 3600), ("pending", 60)]
)
def test_keeps_sampling_and_asks_rarely_when_refused(bench, code, seconds):
    bench.server.refuse_everything = (403, {"code": code, "message": ""}, {})
    times = []
    for _ in range(3):
        times.append(bench.sample())
        bench.settle(seconds=0)
        bench.time.pass_(seconds / 4)
    assert len(bench.server.requests) == 1
    bench.time.pass_(seconds / 4)
    bench.server.refuse_everything = None
    bench.settle()
    assert sorted(bench.server.times()) == times
    assert seqs(bench.server)[:2] == [1, 1]  # asks with the batch it has


# -- 409


def test_sends_the_layout_again_when_the_server_forgot_it(bench):
    bench.sample()
    bench.settle()
    bench.server.layouts.clear()
    bench.time.pass_(60)
    bench.sample()
    bench.settle()
    assert ["layout_def" in report for report in bench.server.requests] == [True, False, True]
    assert len(bench.server.stored) == 2


def test_begins_a_new_epoch_and_sends_again_when_its_own_is_stale(bench):
    bench.sample()
    bench.settle()
    first_epoch = bench.spool.epoch
    bench.server.script = [(409, "stale_epoch", {})]
    bench.time.pass_(60)
    bench.sample(0.75)
    bench.settle()
    epochs = [(report["epoch"], report["seq"]) for report in bench.server.requests]
    assert epochs == [(first_epoch, 1), (first_epoch, 2), (bench.spool.epoch, 1)]
    assert bench.spool.epoch > first_epoch
    assert 0.75 in bench.server.rows().values()


def test_does_not_storm_a_server_that_finds_every_epoch_stale(bench):
    bench.server.refuse_everything = (409, {"code": "stale_epoch", "message": ""}, {})
    bench.sample()
    bench.settle(seconds=HOUR)
    assert len(bench.server.requests) < 120


# -- 429, 503, 502, nothing


def test_waits_as_long_as_it_is_told(bench):
    bench.server.script = [(503, "full", {"Retry-After": "17"})]
    bench.sample()
    assert bench.sender.step() == 17
    bench.settle(seconds=17)
    assert seqs(bench.server) == [1, 1]
    assert bench.spool.get("last_error") is None


def test_sends_live_while_the_server_refuses_backlog(bench):
    for _ in range(3):
        bench.sample()
        bench.time.pass_(60)
    bench.sender.step()
    bench.server.script = [(503, "full", {"Retry-After": "600"})]
    bench.settle(seconds=0)
    bench.time.pass_(60)
    newest = bench.sample()
    bench.settle(seconds=1)
    assert newest in bench.server.times()
    assert bench.spool.depth()["backlog"] == 2


def test_holds_everything_when_over_its_rate(bench):
    for _ in range(3):
        bench.sample()
        bench.time.pass_(60)
    bench.sender.step()
    bench.server.script = [(429, "over_rate", {"Retry-After": "600"})]
    bench.settle(seconds=0)
    asked = len(bench.server.requests)
    bench.time.pass_(60)
    bench.sample()
    bench.settle(seconds=500)
    assert len(bench.server.requests) == asked
    bench.settle(seconds=600)
    assert bench.spool.depth() == {"live": 0, "backlog": 0, "bulk": 0}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30", 30.0), ("0", 1.0), ("1e9", 3600.0), (None, None), ("soon", None),
     ("Mon, 21 Sep 2026 14:14:20 GMT", 60.0)],
)  # fmt: skip
def test_reads_retry_after_as_seconds_or_date(value, seconds):
    assert _retry_after(value, START_MS) == seconds


def test_numbers_nothing_new_while_nobody_answers(bench):
    """After 24 hours away the samples share a few batches instead of 1,440."""
    port = bench.server.port
    bench.server.stop()
    times = []
    for _ in range(24 * 60):
        times.append(bench.sample())
        bench.settle(seconds=59)
        bench.time.true_ms = times[-1] + 60_000
    assert bench.spool.get("next_seq") == 1
    bench.server.start(port)
    times.append(bench.sample())
    bench.settle(seconds=360)
    assert sorted(bench.server.times()) == times
    assert bench.server.requests[0]["lane"] == "live"
    assert bench.server.requests[0]["rows"][0][0] == times[-1]
    backlog = [r["rows"][0][0] for r in bench.server.requests if r["lane"] == "backlog"]
    assert backlog == sorted(backlog)
    assert len(bench.server.requests) <= 1 + 12


def test_sends_the_backlog_at_a_bounded_rate(bench):
    for _ in range(1000):
        bench.sample()
        bench.time.pass_(60)
    began = bench.time.true_ms
    bench.settle(seconds=60)
    assert bench.spool.depth()["backlog"] == 0
    batches = len(bench.server.requests) - 1
    assert batches == 9
    bench.time.true_ms = began
    for _ in range(300):
        bench.sample()
    bench.settle(seconds=0.9)
    assert bench.spool.depth()["backlog"] > 0


def test_resends_the_same_batch_when_the_answer_got_lost(bench):
    bench.server.script = [(200, "store", {})]
    times = [bench.sample()]
    bench.settle(seconds=0)
    bench.time.pass_(60)
    times.append(bench.sample())
    bench.settle(seconds=60)
    # The double asserts that a number never comes with other rows.
    assert seqs(bench.server) == [1, 1, 2]
    assert sorted(bench.server.times()) == times


@pytest.mark.parametrize("status", [500, 502, 504, 404, 302])
def test_backs_off_when_the_server_is_not_really_there(bench, status):
    bench.server.refuse_everything = (status, {}, {})
    times = []
    for _ in range(60):
        times.append(bench.sample())
        bench.settle(seconds=60)
        bench.time.true_ms = times[-1] + 60_000
    assert 10 < len(bench.server.requests) < 120
    bench.server.refuse_everything = None
    times.append(bench.sample())
    bench.settle(seconds=600)
    assert sorted(bench.server.times()) == times


def test_waits_longer_each_time_up_to_the_cap_and_not_in_step():
    class Highest:
        def uniform(self, low, high):
            return high

    backoff = Backoff(300.0, Highest())
    assert [backoff.next() for _ in range(6)] == [6, 18, 54, 162, 300, 300]
    backoff.reset()
    assert backoff.next() == 6


def test_lets_a_bad_backlog_batch_hold_back_only_the_backlog(bench):
    for _ in range(3):
        bench.sample()
        bench.time.pass_(60)
    bench.sender.step()
    bench.server.script = [(500, {}, {})]
    bench.settle(seconds=0)
    newest = bench.sample()
    bench.sender.step()
    assert newest in bench.server.times()


# -- lanes and sections


def test_sends_live_then_backlog_then_bulk(bench):
    bench.sample()
    bench.spool.add_section("system", {"a": 1}, "h" * 64, taken_at=START_MS, ticks=0)
    bench.time.pass_(60)
    bench.sample()
    bench.settle()
    assert [report["lane"] for report in bench.server.requests] == ["live", "backlog", "bulk"]
    assert bench.server.requests[2]["sections"]["system"]["content"] == {"a": 1}


def test_says_goodbye_in_the_report(bench):
    bench.sample(power="shutdown")
    bench.settle()
    assert bench.server.requests[0]["power"] == "shutdown"
    assert bench.server.requests[0]["boot_id"] == BOOT


def test_reports_what_the_spool_dropped_exactly_once(bench):
    bench.spool.max_bytes = 150_000
    for _ in range(4000):
        bench.sample()
        bench.time.pass_(60)
    bench.settle(seconds=600)
    lost = sum(entry["count"] for report in bench.server.requests for entry in report["lost"])
    assert lost > 0
    assert lost + len(bench.server.times()) == 4000
    assert len(set(bench.server.times())) == len(bench.server.times())


def test_loses_nothing_when_the_cap_falls_on_a_batch_under_way(bench):
    bench.spool.max_bytes = 150_000
    bench.server.script = [(200, "store", {})]
    for _ in range(4000):
        bench.sample()
        if bench.spool.get("next_seq") == 1:
            bench.sender.step()
        bench.time.pass_(60)
    bench.settle(seconds=600)
    lost = sum(entry["count"] for report in bench.server.requests for entry in report["lost"])
    assert lost + len(bench.server.times()) == 4000


def test_agrees_on_one_session_key_for_many_reports(bench):
    for _ in range(3):
        bench.sample()
        bench.settle()
    assert (len(bench.server.stored), bench.server.sessions) == (3, 1)


def test_agrees_on_a_new_session_key_before_the_old_one_ends(bench):
    bench.sample()
    bench.settle()
    bench.time.pass_(bench.server.session_seconds - 3500)
    bench.sample()
    bench.settle()
    assert (len(bench.server.stored), bench.server.sessions) == (2, 2)
    assert not bench.server.bad_signatures


def test_a_session_the_server_forgot_costs_one_more_exchange(bench):
    bench.sample()
    bench.settle()
    bench.server.keys.secrets.clear()
    bench.sample()
    bench.settle()
    assert (len(bench.server.stored), bench.server.sessions) == (2, 2)


def test_waits_as_told_when_no_session_is_given(bench):
    bench.server.session_answer = (403, {"code": "quarantined", "time": bench.time.true_ms}, {})
    bench.sample()
    assert bench.sender.step() == pytest.approx(3600, abs=1)
    assert not bench.server.stored
    bench.server.session_answer = None
    bench.time.pass_(3601)
    bench.settle()
    assert len(bench.server.stored) == 1
