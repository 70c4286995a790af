"""`make run`: start everything, say where it is, stop everything.

    runner (this) -> supervisord -> postgres, two valkeys, web, worker, beat, agent

Whoever dies, the rest follows. Ctrl-C and SIGTERM: the runner stops supervisord, which stops the
apps, then the servers. Runner killed: the kernel sends supervisord SIGTERM. Supervisord killed:
the kernel sends each program its stop signal, the orphans become ours (subreaper), and what still
lives at the deadline is killed. Exit status: 0 stopped as asked, 1 failed, 2 not started.
"""

import argparse
import contextlib
import errno
import fcntl
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn
from urllib.parse import urlsplit

import psutil

from . import launch, ports
from .binaries import WheelMissing
from .layout import ENVIRONMENT_FILE, REPOSITORY, Layout, layout_for
from .plan import Address, Plan, given, health_request, real_plan
from .postgres import ClusterError
from .secret_files import write_private
from .supervised import SOCKET, Program, Supervisor, remove_socket

NEEDED_BYTES = 500 * 1024**2
SERVER_SECONDS = 60.0
WEB_SECONDS = 90.0
AGENT_SECONDS = 60.0
# Everything is over within 10 s of the wish to stop.
STOP_SECONDS = 9.2
# How long a killed predecessor may take to go.
PREDECESSOR_SECONDS = 15.0
RESTART_FAILED_SECONDS = 30.0
TAIL_LINES = 20
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

ADVICE = (
    (r"No space left on device|Disk quota exceeded", "The disk is full. Free some space."),
    (r"[Aa]ddress already in use", "Another program took its port meanwhile."),
    (r"password authentication failed", "The database's passwords are not those in use here."),
    (
        r"files are incompatible with server",
        "The data are of another PostgreSQL version: dump them with the old one, or make reset.",
    ),
    (r"No module named", "A package is missing: run make setup."),
    (r"Permission denied", "A file belongs to somebody else; who started this before?"),
)

PlanMaker = Callable[[Layout, Address, Callable[[str], None]], Plan]


class Refused(Exception):
    """Nothing was started; the message says why and what to do."""


class Failed(Exception):
    """A start went wrong; the message says what and what to do."""


class StopRequested(BaseException):
    """Somebody wants us to stop: Ctrl-C, SIGTERM or a lost terminal."""


def main(argv: list[str] | None = None, make_plan: PlanMaker = real_plan) -> int:
    """Run until told to stop; return the exit status."""
    parser = argparse.ArgumentParser(description="Run the whole platform in the foreground.")
    parser.add_argument("--var", type=Path, default=REPOSITORY / "var", help="data and logs")
    parser.add_argument(
        "--stop-with-parent", action="store_true", help="stop when the starting process ends"
    )
    options = parser.parse_args(argv)
    if options.stop_with_parent:
        launch.die_with_parent(signal.SIGTERM)
    for signum in STOP_SIGNALS:
        # Explicitly, because a shell starts background jobs with SIGINT ignored.
        signal.signal(signum, _request_stop)
    runner = Runner(options.var, make_plan)
    try:
        runner.run()
    except StopRequested:
        status = 0
    except Refused as error:
        status = 2
        _complain(str(error))
    except (Failed, ClusterError, WheelMissing, RuntimeError) as error:
        status = 1
        _complain(str(error))
    except OSError as error:
        status = 1
        _complain(_explain(error, options.var))
    finally:
        _ignore_stop_signals()
        runner.stop()
    return status


class Runner:
    """One run, from the lock to the last process."""

    def __init__(self, var: Path, make_plan: PlanMaker) -> None:
        self.layout = layout_for(var)
        self.make_plan = make_plan
        self.supervisor: Supervisor | None = None
        self.began = time.monotonic()
        self.lock: int | None = None
        self.record: dict[str, object] = {}

    def run(self) -> NoReturn:
        """Start everything and stay until told to stop.

        Errors: StopRequested, Refused, Failed and the errors of the parts.
        """
        address = read_address()
        self._make_directories()
        self._take_lock(address)
        self._check_port(address)
        self._check_disk()
        if given("DATABASE_URL", os.environ):
            for name in ("DATABASE_OWNER_URL", "DATABASE_INGEST_URL"):
                if not given(name, os.environ):
                    raise Refused(f"DATABASE_URL is set, so {name} must be set too.")

        launch.prctl(launch.PR_SET_CHILD_SUBREAPER, 1)
        plan = self.make_plan(self.layout, address, self.say)
        programs = [server.program for server in plan.servers] + plan.programs
        self.supervisor = Supervisor(
            self.layout.run, programs + ([plan.agent] if plan.agent else [])
        )
        self.supervisor.start(plan.environment)
        self._write_lock(address)
        self._write_environment(plan)

        self._start_servers(plan)
        for step in plan.steps:
            self.say(step.title)
            self._run_step(step.name, step.words, plan)
        self.say("Web, worker and beat: starting")
        for program in plan.programs:
            self.supervisor.start_program(program)
        self._wait_for("web", lambda: _is_healthy(address), WEB_SECONDS)
        if plan.agent:
            self.say("Agent of this machine: first report")
            self.supervisor.start_program(plan.agent)
            if not self._wait_for("agent", plan.agent_reported, AGENT_SECONDS, must=False):
                self.say(self._tail("agent"))
                self.say("The agent has not reported yet; it keeps trying.")
        self._announce(address)
        self._watch()

    def stop(self) -> None:
        """Stop whatever we started, within STOP_SECONDS; end as the last process."""
        deadline = time.monotonic() + STOP_SECONDS
        ours = _descendants()
        if ours:
            self.say("Stopping")
            self.record["stopping"] = True
            with contextlib.suppress(OSError):  # a full disk must not keep us from stopping
                self._write_record()
        if self.supervisor:
            self.supervisor.request_stop()
            process = self.supervisor.process
            while process and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            # A killed supervisord leaves its programs to us; they have their stop signals.
            while _descendants() and time.monotonic() < deadline:
                time.sleep(0.05)
        for orphan in _descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()
        while _descendants():
            time.sleep(0.02)
        if self.supervisor:
            self.supervisor.remove_socket()
        if self.lock is not None:
            (self.layout.run / ENVIRONMENT_FILE).unlink(missing_ok=True)
            os.truncate(self.lock, 0)
            os.close(self.lock)
        if ours:
            self.say("Stopped")

    def say(self, text: str) -> None:
        """Print a progress line; a lost terminal is no reason to fail."""
        with contextlib.suppress(OSError):
            print(f"[{time.monotonic() - self.began:5.1f} s] {text}", flush=True)

    # ------------------------------------------------------------------ before anything starts

    def _make_directories(self) -> None:
        try:
            self.layout.make()
        except PermissionError as error:
            raise Refused(
                f"{error.filename} belongs to another account. Start as the one that started"
                " before, or remove that directory."
            ) from error

    def _take_lock(self, address: Address) -> None:
        path = self.layout.run / "lock"
        lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        deadline = time.monotonic() + PREDECESSOR_SECONDS
        said = False
        while not _locked(lock):
            other = _read_record(path)
            # Its `make` may be gone before it: "stop it" would be no advice while it stops.
            if not other.get("stopping") or time.monotonic() > deadline:
                os.close(lock)
                raise Refused(
                    f"It is already running (process {other.get('pid', 'unknown')}):"
                    f" {other.get('url', '')}\nStop it with Ctrl-C in its terminal, or:"
                    f" kill {other.get('pid', '')}"
                )
            if not said:
                self.say("The last run is stopping; waiting for its end")
                said = True
            time.sleep(0.1)
        self.lock = lock
        predecessor = _read_record(path)
        if predecessor:
            self._wait_for_predecessor(predecessor, address)
        self._write_lock(address)

    def _write_lock(self, address: Address) -> None:
        self.record = {"pid": os.getpid(), "url": address.public_url}
        if self.supervisor and self.supervisor.process:
            process = psutil.Process(self.supervisor.process.pid)
            self.record["supervisor"] = [process.pid, process.create_time()]
            self.record["socket"] = str(self.supervisor.socket)
        self._write_record()

    def _write_record(self) -> None:
        if self.lock is not None:
            content = json.dumps(self.record).encode()
            os.pwrite(self.lock, content, 0)
            os.truncate(self.lock, len(content))

    def _write_environment(self, plan: Plan) -> None:
        """Keep what we added to the environment, for `inside`."""
        added = {
            name: value
            for name, value in plan.environment.items()
            if os.environ.get(name) != value or name.endswith(("_URL", "_FILE"))
        }
        write_private(self.layout.run / ENVIRONMENT_FILE, json.dumps(added))

    def _wait_for_predecessor(self, record: dict[str, object], address: Address) -> None:
        """Wait for what a killed run left: it stops by itself, but not in no time."""
        deadline = time.monotonic() + PREDECESSOR_SECONDS
        said = False
        while list(_leftovers(record, self.layout)) or not _port_is_free(address):
            if not said:
                self.say("The last run was killed; waiting for its programs to end")
                said = True
            if time.monotonic() > deadline:
                # What remains by now hangs, or the port belongs to a stranger (checked next).
                for process in _leftovers(record, self.layout):
                    process.kill()
                break
            time.sleep(0.2)
        path = record.get("socket")
        if isinstance(path, str) and Path(path).name == SOCKET:
            remove_socket(Path(path))

    def _check_port(self, address: Address) -> None:
        if not _port_is_free(address):
            raise Refused(
                f"Port {address.port} on {address.bind} is taken by another program."
                f" Stop it, or choose another port: make run PORT={address.port + 1}"
            )

    def _check_disk(self) -> None:
        for directory in {self.layout.var, self.layout.private}:
            free = shutil.disk_usage(directory).free
            if free < NEEDED_BYTES:
                raise Refused(
                    f"Only {free // 1024**2} MB are free where {directory} lies; at least"
                    f" {NEEDED_BYTES // 1024**2} MB are needed. Free some space and start again."
                )

    # ------------------------------------------------------------------ starting

    def _start_servers(self, plan: Plan) -> None:
        if not self.supervisor:
            return
        for server in plan.servers:
            self.say(f"{server.title}: starting")
            self.supervisor.start_program(server.program)
        for server in plan.servers:
            self._wait_for(server.program.name, server.answers, SERVER_SECONDS)

    def _run_step(self, name: str, words: list[str], plan: Plan) -> None:
        log = self.layout.log / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                launch.command(words, death="KILL", cwd=str(REPOSITORY), parent=os.getpid()),
                env=dict(plan.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        while process.poll() is None:
            self._check_supervisor()
            time.sleep(0.05)
        if process.returncode:
            raise Failed(f"{name} failed (status {process.returncode}).\n{self._tail(name)}")

    def _wait_for(
        self, name: str, condition: Callable[[], bool], seconds: float, *, must: bool = True
    ) -> bool:
        """Wait until `condition` holds while the program `name` lives.

        Errors: Failed when the program gave up or time is over, if it must.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            self._check_supervisor()
            given_up = self._states().get(name) == "FATAL"
            if given_up or time.monotonic() > deadline:
                if not must:
                    return False
                why = "does not start" if given_up else f"is not ready after {seconds:.0f} s"
                raise Failed(f"{name} {why}.\n{self._tail(name)}")
            time.sleep(0.2)
        return True

    def _announce(self, address: Address) -> None:
        self.say("Everything runs")
        lines = [f"Ready: {address.public_url}"]
        try:
            signins = json.loads(self.layout.signins.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            signins = []
        if signins:
            widths = [max(len(row[key]) for row in signins) for key in ("who", "email")]
            lines += ["", "Sign in as"]
            lines += [
                f"  {row['who']:<{widths[0]}}  {row['email']:<{widths[1]}}  {row['password']}"
                for row in signins
            ]
        lines += ["", f"Logs: {self.layout.log}   Data: {self.layout.private}   Stop: Ctrl-C"]
        with contextlib.suppress(OSError):
            print("\n".join(lines), flush=True)

    # ------------------------------------------------------------------ running

    def _watch(self) -> NoReturn:
        """Stay; bring back, slowly, what the supervisor gave up on."""
        given_up: dict[str, float] = {}
        while True:
            self._check_supervisor()
            if self.supervisor:
                for program in self.supervisor.programs:
                    self._watch_program(program, given_up)
            _reap_adopted(self.supervisor)
            time.sleep(1.0)

    def _watch_program(self, program: Program, given_up: dict[str, float]) -> None:
        if not self.supervisor:
            return
        if self._states().get(program.name) != "FATAL":
            return
        now = time.monotonic()
        if program.name not in given_up:
            self.say(f"{program.name} fails again and again.\n{self._tail(program.name)}")
        if now - given_up.get(program.name, -RESTART_FAILED_SECONDS) >= RESTART_FAILED_SECONDS:
            given_up[program.name] = now
            self.supervisor.start_program(program)

    def _check_supervisor(self) -> None:
        if _stop_wished.is_set():
            raise StopRequested
        process = self.supervisor.process if self.supervisor else None
        if process and process.poll() is not None:
            raise Failed(
                f"The supervisor ended (status {process.returncode}), so everything stops."
                " Start again; no data are lost."
            )

    def _states(self) -> dict[str, str]:
        """Return the programs' states; empty where the supervisor is silent but lives.

        Errors: Failed when it ended.
        """
        try:
            return self.supervisor.states() if self.supervisor else {}
        except OSError:
            time.sleep(0.5)  # a killed process takes a moment to be seen as ended
            self._check_supervisor()
            return {}

    def _tail(self, name: str) -> str:
        log = self.layout.log / f"{name}.log"
        try:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
        except OSError:
            lines = []
        text = "\n".join(f"    {line}" for line in lines)
        advice = [words for pattern, words in ADVICE if re.search(pattern, text)]
        hint = " ".join(advice) or "These are its last lines."
        return f"{text}\n{hint} The whole log is {log}. Starting again is safe."


def read_address() -> Address:
    """Return the address from BIND, PORT and PUBLIC_URL.

    Errors: Refused when one of them makes no sense.
    """
    bind = os.environ.get("BIND") or ports.LOOPBACK
    raw = os.environ.get("PORT") or "8000"
    if not raw.isascii() or not raw.isdigit() or not 0 < int(raw) < 65536:
        raise Refused(f"PORT must be a number from 1 to 65535, not {raw!r}.")
    public_url = (os.environ.get("PUBLIC_URL") or f"http://localhost:{int(raw)}").rstrip("/")
    parts = urlsplit(public_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path:
        raise Refused(f"PUBLIC_URL must be like https://msp.example, not {public_url!r}.")
    return Address(bind, int(raw), public_url)


def _locked(lock: int) -> bool:
    """Take the lock if it is free; tell whether it is ours."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ignore_stop_signals() -> None:
    for signum in STOP_SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


# An exception raised by a signal handler is lost where Python runs a finalizer, such as that of
# an HTTP answer: the wish to stop is kept here too, and every loop looks at it.
_stop_wished = threading.Event()


def _request_stop(signum: int, frame: FrameType | None) -> None:
    # Once: stopping is bounded, and a second Ctrl-C must not cut it short.
    _ignore_stop_signals()
    _stop_wished.set()
    raise StopRequested


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):
        print(f"\n{text}", file=sys.stderr, flush=True)


def _explain(error: OSError, var: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full ({error}). Free some space and start again; no data are lost."
    return f"{error}\nLogs are in {var / 'log'}. Starting again is safe."


def _port_is_free(address: Address) -> bool:
    try:
        return ports.is_free(address.bind, address.port)
    except PermissionError as error:
        raise Refused(
            f"This account may not listen on port {address.port}; choose one above 1023."
        ) from error
    except OSError as error:
        raise Refused(f"Cannot listen on BIND={address.bind}: {error}") from error


def _is_healthy(address: Address) -> bool:
    host, headers = health_request(address)
    connection = http.client.HTTPConnection(host, address.port, timeout=5)
    try:
        connection.request("GET", "/healthz", headers=headers)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _descendants() -> list[psutil.Process]:
    """Return our living descendants, adopted ones included, after collecting the dead."""
    living = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
            elif process.ppid() == os.getpid():
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process.pid, os.WNOHANG)
    return living


def _reap_adopted(supervisor: Supervisor | None) -> None:
    """Collect dead orphans that became ours; never supervisord, whose status we want."""
    own = supervisor.process.pid if supervisor and supervisor.process else None
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, ChildProcessError):
            if process.pid != own and process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)


def _read_record(path: Path) -> dict[str, object]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _leftovers(record: dict[str, object], layout: Layout) -> Iterator[psutil.Process]:
    """Yield what a killed run left alive: its supervisord and its PostgreSQL."""
    supervisor = record.get("supervisor")
    if isinstance(supervisor, list) and len(supervisor) == 2:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(supervisor[0]))
            if process.create_time() == supervisor[1]:
                yield process
    try:
        first_line = (layout.servers / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]
        process = psutil.Process(int(first_line))
        if str(layout.servers / "postgres") in process.cmdline():
            yield process
    except (OSError, ValueError, psutil.Error):
        return


if __name__ == "__main__":
    sys.exit(main())
