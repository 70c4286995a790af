"""The whole agent: in one process with doubles, and as the real program, killed and stopped."""

import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from msp_agent.clock import Clock
from msp_agent.config import AgentConfig
from msp_agent.identity import load_or_make_key, save_identity
from msp_agent.keeper import Keeper
from msp_agent.run import Agent, phase_ms
from msp_agent.shutdown import StopSignal, system_is_stopping

from .double import BOOT, SERIES, START_MS, TOKEN, ServerDouble

AGENT_ROOT = Path(__file__).parents[3] / "agents/endpoint"
INTERVAL = 0.2
STOP_LIMIT_SECONDS = 5.0


def until(condition, *, seconds=20.0):
    """Wait for a condition on real processes; fail if it never holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


# -- in this process


def make_agent(
    server, tmp_path, *, interval=INTERVAL, is_system_stopping=lambda: False, **settings
):
    key = load_or_make_key(tmp_path)
    identity = server.know(key.public_key())
    save_identity(tmp_path, identity)
    return Agent(
        AgentConfig(server=server.url, state_dir=tmp_path, interval_seconds=interval, **settings),
        identity=identity,
        key=key,
        stop=StopSignal(),
        is_system_stopping=is_system_stopping,
    )


def running(agent):
    thread = threading.Thread(target=agent.run)
    thread.start()
    return thread


def test_reports_at_once_and_the_system_section_once(server, tmp_path):
    agent = make_agent(server, tmp_path, interval=60)
    thread = running(agent)
    until(lambda: len(server.stored) == 2)
    agent.stop.set()
    thread.join()
    live, bulk = server.stored.values()
    assert (live["lane"], len(live["rows"]), live["power"]) == ("live", 1, "on")
    content = bulk["sections"]["system"]["content"]
    assert content["ram_bytes"] > 0
    assert content["cpu"]["threads"] == os.cpu_count()
    assert abs(content["boot_time"] - (time.time() - _up_seconds()) * 1000) < 5_000


def test_does_not_send_an_unchanged_section_after_a_restart(server, tmp_path):
    for _ in range(2):
        agent = make_agent(server, tmp_path, interval=60)
        thread = running(agent)
        until(lambda: server.requests and server.requests[-1]["lane"] in ("live", "bulk"))
        until(lambda agent=agent: sum(agent.keeper.spool.depth().values()) == 0)
        agent.stop.set()
        thread.join()
    assert sum(bool(report.get("sections")) for report in server.requests) == 1


def test_says_goodbye_only_when_the_machine_goes_down(server, tmp_path):
    for is_stopping, last in ((False, "on"), (True, "shutdown")):
        agent = make_agent(
            server, tmp_path, interval=60, is_system_stopping=lambda answer=is_stopping: answer
        )
        thread = running(agent)
        before = len(server.stored)
        until(lambda before=before: len(server.stored) > before)
        agent.stop.set()
        thread.join(STOP_LIMIT_SECONDS)
        assert not thread.is_alive()
        live = [r for r in server.stored.values() if r["rows"]]
        assert live[-1]["power"] == last


def test_remembers_that_it_was_approved(server, tmp_path):
    agent = make_agent(server, tmp_path)
    agent.identity = type(agent.identity)(**{**vars(agent.identity), "status": "pending"})
    thread = running(agent)
    until(lambda: agent.identity.status == "active")
    agent.stop.set()
    thread.join()
    assert json.loads((tmp_path / "identity.json").read_text())["status"] == "active"


def test_takes_the_interval_from_the_server_unless_told_otherwise(server, tmp_path):
    agent = make_agent(server, tmp_path, interval=None)
    for told, interval in ((30, 30), (1, 30), ("x", 30), (True, 30), (300, 300)):
        agent._heed({"next_interval": told})
        assert agent.interval == interval
    agent.keeper.spool.close()
    assert make_agent(server, tmp_path, interval=None).interval == 300
    fixed = make_agent(server, tmp_path, interval=5)
    fixed._heed({"next_interval": 30})
    assert fixed.interval == 5


def test_spreads_devices_over_the_interval_and_keeps_each_in_its_place():
    phases = [phase_ms(f"device-{n}", 60_000) for n in range(1000)]
    assert phases == [phase_ms(f"device-{n}", 60_000) for n in range(1000)]
    per_ten_seconds = [sum(p // 10_000 == slot for p in phases) for slot in range(6)]
    assert min(per_ten_seconds) > 100


def test_samples_in_its_slot_after_the_first_report(server, tmp_path):
    agent = make_agent(server, tmp_path, interval=60)
    first = agent._until_next_sample()
    assert 30 <= first <= 90
    due = agent.clock.server_ms() + first * 1000
    phase = phase_ms(agent.identity.device, 60_000)
    assert (due - phase) % 60_000 == pytest.approx(0, abs=50) or (
        (due - phase) % 60_000 == pytest.approx(60_000, abs=50)
    )


# -- a spool that fails


def test_keeps_samples_in_memory_while_the_disk_refuses_and_brings_them_back(tmp_path):
    clock = Clock(wall=lambda: START_MS, ticks=lambda: 0)
    keeper = Keeper(tmp_path / "spool.db", clock=clock)

    def add(value):
        keeper.spool.add_sample(
            SERIES, [value] * 2, taken_at=START_MS, ticks=0, boot_id=BOOT, boot_time=0
        )

    add(1.0)
    disk_epoch = keeper.spool.epoch
    keeper.failed(sqlite3.OperationalError("database or disk is full"), again=True)
    assert not keeper.is_on_disk
    add(2.0)
    add(3.0)
    assert keeper.spool.depth() == {"live": 1, "backlog": 1, "bulk": 0}
    keeper.back_to_disk()
    assert keeper.is_on_disk
    assert keeper.spool.epoch > disk_epoch
    assert keeper.spool.depth() == {"live": 1, "backlog": 2, "bulk": 0}
    keeper.back_to_disk()
    assert sum(keeper.spool.depth().values()) == 3


def test_goes_on_when_the_spool_is_damaged_under_it(server, tmp_path):
    agent = make_agent(server, tmp_path)
    thread = running(agent)
    until(lambda: len(server.times()) >= 2)
    agent._guarded(lambda: _raise_once(agent, sqlite3.DatabaseError("malformed")))
    seen = len(server.times())
    until(lambda: len(server.times()) > seen + 2)
    agent.stop.set()
    thread.join()


def test_does_not_start_on_a_disk_it_cannot_write_but_reports_from_memory(server, tmp_path):
    (tmp_path / "spool.db").mkdir()  # not a file: opening fails for every user
    agent = make_agent(server, tmp_path)
    thread = running(agent)
    until(lambda: len(server.times()) >= 2)
    agent.stop.set()
    thread.join()
    assert not agent.keeper.is_on_disk
    assert any(e["kind"] == "msp.spool.unwritable" for r in server.requests for e in r["events"])


# -- shutting down


@pytest.mark.parametrize(("says", "expected"), [("stopping", True), ("running", False)])
def test_asks_systemd_whether_the_machine_goes_down(tmp_path, says, expected):
    command = tmp_path / "systemctl"
    command.write_text(f"#!/bin/sh\necho {says}\n")
    command.chmod(0o755)
    assert system_is_stopping(mark=tmp_path, command=str(command)) is expected


def test_takes_no_answer_from_systemd_for_no(tmp_path):
    assert not system_is_stopping(mark=tmp_path / "none")
    assert not system_is_stopping(mark=tmp_path, command=str(tmp_path / "missing"))
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 10\n")
    slow.chmod(0o755)
    began = time.monotonic()
    assert not system_is_stopping(mark=tmp_path, command=str(slow))
    assert time.monotonic() - began < 3


# -- the real program


class Program:
    """`python -m msp_agent run` in a state directory, with its log in a file."""

    def __init__(self, server_url: str, tmp_path: Path) -> None:
        self.url, self.state, self.log = server_url, tmp_path / "state", tmp_path / "log"
        self.token_file = tmp_path / "token"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *extra: str, interval: float = INTERVAL) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "msp_agent", "run", *self._where(), *extra],
                stderr=log,
                stdout=log,
                env=self._env(interval),
            )

    def end(self, number: int = signal.SIGKILL) -> tuple[int, float]:
        """Signal the program; return its exit code and how long it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(20)
        self.process = None
        return code, time.monotonic() - began

    def command(self, name: str, *extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "msp_agent", name, *self._where(), *extra],
            capture_output=True,
            text=True,
            env=self._env(INTERVAL),
            check=False,
        )

    def status(self) -> dict:
        return json.loads(self.command("status", "--json").stdout)

    def _where(self) -> list[str]:
        return ["--server", self.url, "--state-dir", str(self.state)]

    def _env(self, interval: float) -> dict[str, str]:
        return {
            "PYTHONPATH": str(AGENT_ROOT),
            "PATH": os.environ["PATH"],
            "MSP_AGENT_INTERVAL_SECONDS": str(interval),
        }


@pytest.fixture
def program(server, tmp_path):
    made = Program(server.url, tmp_path)
    made.token_file.write_text(TOKEN)
    enrolled = made.command("enrol", "--token-file", str(made.token_file))
    assert enrolled.returncode == 0, enrolled.stderr
    yield made
    if made.process is not None:
        made.process.kill()
        made.process.wait()


def test_enrols_with_a_token_file_and_then_forgets_it(server, tmp_path):
    program = Program(server.url, tmp_path)
    program.token_file.write_text(f"{TOKEN}\n")
    program.start("--token-file", str(program.token_file), "--name", "web-1", "--role", "server")
    until(lambda: server.stored)
    assert program.end(signal.SIGTERM)[0] == 0
    assert not program.token_file.exists()
    assert (server.enrolments[0]["name"], server.enrolments[0]["role"]) == ("web-1", "server")
    assert TOKEN not in program.log.read_text()
    status = program.status()
    assert status["identity"]["status"] == "active"
    assert status["spool"]["depth"] == {"live": 0, "backlog": 0, "bulk": 0}
    assert status["last_error"] is None


def test_waits_for_a_server_that_is_not_there_yet(tmp_path):
    double = ServerDouble()
    double.start()
    port, url = double.port, double.url
    double.stop()
    program = Program(url, tmp_path)
    program.token_file.write_text(TOKEN)
    program.start("--token-file", str(program.token_file))
    try:
        until(lambda: "not enrolled yet" in program.log.read_text())
        double.start(port)
        until(lambda: double.stored, seconds=30)
    finally:
        code, _ = program.end(signal.SIGTERM)
        double.stop()
    assert code == 0


def test_gives_up_on_a_token_that_will_never_work(server, tmp_path):
    program = Program(server.url, tmp_path)
    program.token_file.write_text("wrong")
    program.start("--token-file", str(program.token_file))
    assert program.process.wait(20) == 78
    program.process = None
    assert "token_unknown" in program.log.read_text()


def test_does_not_run_twice_in_one_directory(program, server):
    program.start()
    until(lambda: server.stored)
    second = program.command("run")
    assert second.returncode == 75
    assert "another agent" in second.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_in_time_and_sends_what_it_has(program, server, number):
    program.start()
    until(lambda: len(server.times()) >= 3)
    code, seconds = program.end(number)
    assert (code, seconds < STOP_LIMIT_SECONDS) == (0, True)
    assert program.status()["spool"]["depth"]["live"] == 0


def test_stops_in_time_while_the_server_does_not_answer(program, server):
    server._lock.acquire()  # it accepts, reads and says nothing
    try:
        program.start()
        until(lambda: server.connections >= 2)
        time.sleep(0.5)
        code, seconds = program.end(signal.SIGTERM)
    finally:
        server._lock.release()
    assert (code, seconds < STOP_LIMIT_SECONDS) == (0, True)


def test_stores_every_spooled_sample_once_however_often_it_is_killed(program, server):
    rng = random.Random(7)
    taken: set[int] = set()
    for round_ in range(8):
        # In half of the rounds answers get lost after the server has stored.
        server.script = [(200, "store", {})] * (round_ % 2 * 3)
        program.start()
        until(lambda: server.requests)
        time.sleep(0.7 + rng.random() * 0.6)
        program.end(signal.SIGKILL)
        with sqlite3.connect(program.state / "spool.db") as db:
            offsets = {
                row[0] for row in db.execute("SELECT taken_at FROM item WHERE vals NOT NULL")
            }
        db.close()
        taken |= offsets
        server.requests.clear()
    server.script = []
    program.start()
    until(lambda: not server.script and program.status()["spool"]["depth"]["backlog"] == 0)
    until(lambda: program.status()["spool"]["depth"]["backlog"] == 0)
    program.end(signal.SIGTERM)
    times = server.times()
    assert taken, "no kill ever left anything in the spool"
    assert taken <= set(times)
    assert len(times) == len(set(times))
    assert len({name[0] for name in server.stored}) == 1  # one epoch: the spool was never damaged
    assert server.bad_signatures == []


def test_catches_up_after_the_server_was_away(program, server):
    program.start()
    until(lambda: len(server.times()) >= 2)
    port = server.port
    server.stop()
    time.sleep(2.5)
    away = program.status()
    assert away["spool"]["depth"]["backlog"] > 3
    assert away["last_error"]
    server.start(port)
    until(lambda: program.status()["spool"]["depth"]["backlog"] == 0, seconds=40)
    program.end(signal.SIGTERM)
    times = sorted(server.times())
    assert len(times) == len(set(times))
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    # One sample per slot, none missing for the time the server was away. The first gap is the
    # step into the device's slot; a busy machine delays a sample, but does not lose it.
    assert max(gaps) < 1000
    assert sum(gaps) / len(gaps) < 2 * INTERVAL * 1000


def test_prints_one_sample_for_a_technician(tmp_path):
    program = Program("http://localhost:9", tmp_path)
    done = program.command("collect")
    found = {row["metric"]: row["value"] for row in json.loads(done.stdout)["samples"]}
    assert 0 <= found["system.cpu.utilization"] <= 1
    assert 0 < found["system.memory.utilization"] < 1


def test_says_that_it_is_not_enrolled(tmp_path):
    program = Program("http://localhost:9", tmp_path)
    assert "not enrolled" in program.command("status").stdout
    assert program.command("run").returncode == 78


def test_shows_its_status_to_a_person(program):
    text = program.command("status").stdout
    assert "(active)" in text
    assert program.url in text


def test_stays_within_its_memory(program, server):
    program.start()
    until(lambda: len(server.times()) >= 10)
    text = Path(f"/proc/{program.process.pid}/status").read_text()
    (resident,) = (line.split()[1] for line in text.splitlines() if line.startswith("VmRSS"))
    assert int(resident) <= 40 * 1024


def _up_seconds() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _raise_once(agent, error, raised=[]):  # noqa: B006 - the memory is the point
    if not raised:
        raised.append(error)
        raise error
