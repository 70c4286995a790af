"""Starting and stopping `make run`, whoever dies first.

Most tests run the real runner, supervisor and servers with small programs; the last one runs the
real product. Every process of a run carries a marker in its environment or is a descendant we saw.
"""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from msp.embedded.layout import REPOSITORY, layout_for
from msp.embedded.ports import choose_ports
from msp.embedded.supervised import remove_socket

pytestmark = pytest.mark.flow

SMALL_PRODUCT = Path(__file__).with_name("small_product.py")
# The promise is 10 s; a loaded machine gets a little more before the test calls it broken.
STOP_SECONDS = 11.0
READY_SECONDS = 60.0
REAL_READY_SECONDS = 240.0
# The promise is 15 s on a machine that does nothing else.
SECOND_START_SECONDS = 30.0


class Run:
    """A runner started as a background job: no terminal, SIGINT ignored."""

    def __init__(self, var: Path, words: list[str], environment: dict[str, str]) -> None:
        self.var = var
        self.output = var.parent / f"output-{len(list(var.parent.glob('output-*')))}"
        self.seen: dict[int, psutil.Process] = {}
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=REPOSITORY,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while "Ready: http://localhost:" not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)
        self.note()

    def note(self) -> list[psutil.Process]:
        for process in [psutil.Process(self.process.pid), *self._children()]:
            self.seen[process.pid] = process
        return list(self.seen.values())

    def named(self, word: str) -> psutil.Process:
        """Return the topmost process whose command line contains a word."""
        for process in self.note():
            if word in _command_line(process):
                return process
        raise AssertionError(f"no process {word!r}: {self.said()}")

    def wait_until_all_are_gone(self) -> float:
        began = time.monotonic()
        while alive := [p for p in self.seen.values() if _lives(p)]:
            self.process.poll()
            assert time.monotonic() - began < STOP_SECONDS, (alive, self.said())
            time.sleep(0.05)
        return time.monotonic() - began

    def _children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture
def var(tmp_path: Path) -> Iterator[Path]:
    """Yield a var directory below a path with spaces, a percent sign and over 107 bytes."""
    deep = tmp_path / "a path with spaces; 100% 'quoted'" / ("long-" * 20)
    deep.mkdir(parents=True)
    yield deep / "var"
    layout = layout_for(deep / "var")
    lock = layout.run / "lock"
    if lock.exists() and lock.stat().st_size:  # a run that was killed; a next one would do this
        remove_socket(Path(json.loads(lock.read_text()).get("socket", "none")))
    if layout.servers != layout.var:
        shutil.rmtree(layout.servers, ignore_errors=True)


@pytest.fixture
def start(var: Path) -> Iterator[Callable[..., Run]]:
    """Yield a function that starts the small product; all its processes die with the test."""
    runs: list[Run] = []

    def start_run(
        *, shell: str = 'exec "$@"', words: list[str] | None = None, **environment: str
    ) -> Run:
        plain = {
            name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ
        }
        plain["PORT"] = str(choose_ports(1)[0])
        small = [sys.executable, str(SMALL_PRODUCT), "--var", str(var), "--stop-with-parent"]
        shelled = ["/bin/sh", "-c", f"trap '' INT; {shell}", "sh", *(words or small)]
        run = Run(var, shelled, {**plain, "PYTHONPATH": str(REPOSITORY), **environment})
        runs.append(run)
        return run

    yield start_run
    for run in runs:
        if run.process.poll() is None:
            run.note()
        for process in run.seen.values():
            if _lives(process):
                process.kill()
        run.process.wait()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stops_everything_on_a_signal(start: Callable[..., Run], signum: int) -> None:
    run = start()
    run.wait_until_ready()
    assert len(run.seen) > 8  # runner, supervisord, postgres and its own, valkeys, programs
    run.process.send_signal(signum)
    run.wait_until_all_are_gone()
    assert run.process.wait() == 0
    assert "Stopped" in run.said()
    assert not (layout_for(run.var).run / "lock").read_text()


def test_stops_everything_when_the_runner_is_killed(start: Callable[..., Run]) -> None:
    run = start()
    run.wait_until_ready()
    run.process.kill()
    run.wait_until_all_are_gone()


def test_stops_everything_when_the_supervisor_is_killed(start: Callable[..., Run]) -> None:
    run = start()
    run.wait_until_ready()
    run.named("supervisor.supervisord").kill()
    run.wait_until_all_are_gone()
    assert run.process.wait() == 1
    assert "The supervisor ended" in run.said()


def test_stops_everything_when_runner_and_supervisor_are_killed(start: Callable[..., Run]) -> None:
    run = start()
    run.wait_until_ready()
    supervisor = run.named("supervisor.supervisord")
    run.process.kill()
    supervisor.kill()
    run.wait_until_all_are_gone()


def test_stops_everything_when_the_starting_process_is_killed(start: Callable[..., Run]) -> None:
    # As `make` does: a shell that stays, with the runner as its child.
    run = start(shell='"$@"; true')
    run.wait_until_ready()
    assert "python" not in psutil.Process(run.process.pid).name()
    run.process.kill()
    run.wait_until_all_are_gone()


def test_stops_in_the_middle_of_starting(start: Callable[..., Run]) -> None:
    run = start()
    while "PostgreSQL: starting" not in run.said():
        assert run.process.poll() is None, run.said()
        time.sleep(0.01)
    run.note()
    run.process.terminate()
    run.wait_until_all_are_gone()
    assert run.process.wait() == 0


def test_brings_back_what_dies(start: Callable[..., Run]) -> None:
    run = start()
    run.wait_until_ready()
    for word in ("stubborn_worker", "valkey-server", "postgres"):
        first = run.named(word)
        first.kill()
        deadline = time.monotonic() + 20
        while not any(
            process.pid != first.pid and word in _command_line(process)
            for process in run._children()
        ):
            assert time.monotonic() < deadline, (word, run.said())
            time.sleep(0.1)
    run.note()
    run.process.terminate()
    run.wait_until_all_are_gone()


def test_a_killed_worker_takes_its_forked_children_along(start: Callable[..., Run]) -> None:
    run = start()
    run.wait_until_ready()
    worker = run.named("stubborn_worker")
    (child,) = worker.children()
    worker.kill()
    deadline = time.monotonic() + 5
    while _lives(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_second_start_names_the_first(start: Callable[..., Run]) -> None:
    first = start()
    first.wait_until_ready()
    second = start()
    assert second.process.wait(20) == 2
    assert f"It is already running (process {first.process.pid})" in second.said()
    assert first.process.poll() is None


def test_a_start_while_the_last_run_stops_waits_for_its_end(start: Callable[..., Run]) -> None:
    first = start()
    first.wait_until_ready()
    first.process.terminate()
    while "Stopping" not in first.said():
        time.sleep(0.01)
    second = start()
    second.wait_until_ready()
    assert "The last run is stopping" in second.said()
    assert first.process.wait(1) == 0
    second.process.terminate()
    second.wait_until_all_are_gone()


def test_a_taken_port_is_said_before_anything_starts(start: Callable[..., Run], var: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = start(PORT=str(port))
        assert run.process.wait(20) == 2
    assert f"Port {port} on 127.0.0.1 is taken" in run.said()
    assert not (layout_for(var).servers / "postgres").exists()


def test_a_failing_step_shows_its_last_lines_and_advice(start: Callable[..., Run]) -> None:
    run = start(SMALL_FAILS="yes")
    assert run.process.wait(READY_SECONDS) == 1
    assert "line one" in run.said()
    assert "The disk is full" in run.said()
    assert not psutil.pid_exists(run.process.pid)


def test_shows_the_sign_ins_when_ready(start: Callable[..., Run]) -> None:
    run = start()
    run.wait_until_ready()
    deadline = time.monotonic() + 5
    while "a secret" not in run.said():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "tech@msp.example" in run.said()


def test_data_survive_a_kill_and_half_made_data_are_mended(
    start: Callable[..., Run], var: Path
) -> None:
    servers = layout_for(var).servers
    servers.mkdir(parents=True, exist_ok=True)
    half_made = servers / ".postgres-cut-off"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")
    first = start()
    first.wait_until_ready()
    assert not half_made.exists()
    written_at = (servers / "postgres" / "PG_VERSION").stat().st_mtime_ns
    first.process.kill()
    second = start()  # at once: it waits for the first one's programs to end
    second.wait_until_ready()
    assert (servers / "postgres" / "PG_VERSION").stat().st_mtime_ns == written_at
    second.process.terminate()
    second.wait_until_all_are_gone()


def test_a_server_whose_port_was_taken_moves(start: Callable[..., Run], var: Path) -> None:
    first = start()
    first.wait_until_ready()
    first.process.terminate()
    first.wait_until_all_are_gone()
    path = layout_for(var).private / "ports.json"
    port = json.loads(path.read_text())["postgres"]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        second = start()
        second.wait_until_ready()
    assert json.loads(path.read_text())["postgres"] != port
    second.process.terminate()
    second.wait_until_all_are_gone()


def test_generated_files_are_private(start: Callable[..., Run], var: Path) -> None:
    run = start()
    run.wait_until_ready()
    layout = layout_for(var)
    for directory in (layout.run, layout.log, layout.private, layout.secrets):
        assert directory.stat().st_mode & 0o077 == 0, directory
    for secret in layout.secrets.iterdir():
        assert secret.stat().st_mode & 0o177 == 0, secret


def test_a_wish_to_stop_that_falls_into_a_finalizer_is_not_lost(var: Path) -> None:
    code = (
        "import io, os, signal\n"
        "from msp.embedded import run\n"
        "from tests.runtime.small_product import small_plan\n"
        "class Answer(io.RawIOBase):\n"
        "    def close(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        super().close()\n"
        "def make_plan(*arguments):\n"
        "    Answer()  # finalized here, and with it the exception of the signal\n"
        "    print('still here')\n"
        "    return small_plan(*arguments)\n"
        "raise SystemExit(run.main(make_plan=make_plan))"
    )
    done = _run_code(code, var)
    assert (done.returncode, "Ready" in done.stdout) == (0, False)
    assert "still here" in done.stdout


def test_too_little_space_is_said_before_anything_starts(var: Path) -> None:
    code = "from msp.embedded import run; run.NEEDED_BYTES = 10**18; raise SystemExit(run.main())"
    done = _run_code(code, var)
    assert done.returncode == 2
    assert "MB are free" in done.stderr
    assert not (layout_for(var).servers / "postgres").exists()


def test_a_disk_that_fills_up_is_said_plainly(var: Path) -> None:
    code = (
        "from msp.embedded import run\n"
        "def make_plan(*_): raise OSError(28, 'No space left on device')\n"
        "raise SystemExit(run.main(make_plan=make_plan))"
    )
    done = _run_code(code, var)
    assert done.returncode == 1
    assert "The disk is full" in done.stderr


def test_a_real_database_without_its_owner_is_refused(var: Path) -> None:
    code = "from msp.embedded import run; raise SystemExit(run.main())"
    done = _run_code(code, var, DATABASE_URL="postgres://app:x@127.0.0.1:1/msp")
    assert done.returncode == 2
    assert "DATABASE_OWNER_URL must be set too" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("PORT", "eighty", "PORT must be a number"),
        ("PORT", "70000", "PORT must be a number"),
        ("PUBLIC_URL", "msp.example", "PUBLIC_URL must be like"),
        ("BIND", "192.0.2.1", "Cannot listen on BIND=192.0.2.1"),
    ],
)
def test_an_impossible_address_is_refused(var: Path, name: str, value: str, why: str) -> None:
    code = "from msp.embedded import run; raise SystemExit(run.main())"
    done = _run_code(code, var, **{name: value})
    assert done.returncode == 2
    assert why in done.stderr


def test_servers_named_in_the_environment_are_not_started(
    start: Callable[..., Run], var: Path
) -> None:
    url = "postgres://app:x@127.0.0.1:1/msp"
    run = start(DATABASE_URL=url, DATABASE_OWNER_URL=url, DATABASE_INGEST_URL=url)
    run.wait_until_ready()
    assert "PostgreSQL: starting" not in run.said()
    assert run.named("valkey-server")
    assert not (layout_for(var).servers / "postgres").exists()
    run.process.terminate()
    run.wait_until_all_are_gone()


def test_a_command_inside_gets_the_running_environment(
    start: Callable[..., Run], var: Path
) -> None:
    words = [sys.executable, "-m", "msp.embedded.inside", "--var", str(var), "--", "env"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 1
    assert "Nothing runs here" in done.stderr
    run = start()
    run.wait_until_ready()
    done = subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert "DATABASE_OWNER_URL=postgres://msp_owner:" in done.stdout


def test_reset_removes_the_data_but_not_under_a_running_product(
    start: Callable[..., Run], var: Path
) -> None:
    words = [sys.executable, "-m", "msp.embedded.reset", "--var", str(var)]
    run = start()
    run.wait_until_ready()
    done = subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 1
    assert layout_for(var).servers.exists()
    run.process.terminate()
    run.wait_until_all_are_gone()
    run.process.wait()
    subprocess.run(words, capture_output=True, cwd=REPOSITORY, check=True)
    assert not layout_for(var).servers.exists()
    assert not var.exists()


def test_the_real_product_is_ready_and_stops_whoever_is_killed(
    start: Callable[..., Run], var: Path
) -> None:
    port = str(choose_ports(1)[0])
    make = [f"PY={shlex.quote(sys.executable)}", f"RUN_ARGS=--var {shlex.quote(str(var))}"]
    words = ["make", "-o", "setup-run", "run", *make, f"PORT={port}"]
    first = start(words=words)
    first.wait_until_ready(REAL_READY_SECONDS)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
        assert answer.status == 200
    signins = json.loads(layout_for(var).signins.read_text())
    assert len({row["who"] for row in signins}) >= 4
    assert "has not reported" not in first.said()
    for word in ("uvicorn", "prefork celery", "celery -A msp.celery beat", "msp_agent run"):
        assert first.named(word)
    first.process.terminate()
    first.wait_until_all_are_gone()

    second = start(words=words)
    began = time.monotonic()
    second.wait_until_ready(REAL_READY_SECONDS)
    assert time.monotonic() - began < SECOND_START_SECONDS
    assert "has not reported" not in second.said()
    second.process.kill()
    second.wait_until_all_are_gone()


def _run_code(code: str, var: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code that calls the runner, to its end."""
    plain = {"PATH": os.environ["PATH"], "PORT": str(choose_ports(1)[0])}
    return subprocess.run(
        [sys.executable, "-c", code, "--var", str(var)],
        env={**plain, **environment},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=READY_SECONDS,
    )
