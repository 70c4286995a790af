"""The package `supervisor`, configured and driven by us.

Nothing starts by itself: `run` starts the programs in order over a Unix socket. The generated
configuration names no path outside its own directory, so nothing in it needs quoting; what a
program really runs stands in its script, `var/run/bin/<name>`.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from xmlrpc.client import Fault, ProtocolError, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from . import launch

SERVERS, APPS = "servers", "apps"
# Apps stop first, then servers; with supervisord's ticks of 1 s all is over within 10 s.
STOP_SECONDS = {APPS: 5, SERVERS: 3}
CONNECT_SECONDS = 15.0
# A socket's path may have 107 bytes, supervisord first makes it with its number at the end, and
# checkouts may lie deep. Then it lies in a directory of its own in /tmp.
LONGEST_SOCKET_PATH = 90
SOCKET, SOCKET_DIRECTORY_PREFIX = "supervisor.sock", "msp-run-"
LOG_BYTES = "5MB"
LOG_BACKUPS = 3

CONFIGURATION = """\
[unix_http_server]
file={socket}
chmod=0600

[supervisord]
nodaemon=true
silent=true
logfile=../log/supervisord.log
logfile_maxbytes={log_bytes}
logfile_backups={log_backups}
pidfile=supervisord.pid
umask=077
nocleanup=true
{user}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

GROUP = """
[group:{group}]
programs={names}
priority={priority}
"""

PROGRAM = """
[program:{name}]
command=./bin/{name}
autostart=false
autorestart=true
startsecs=2
startretries=5
stopsignal={stop_signal}
stopwaitsecs={stop_seconds}
killasgroup=true
redirect_stderr=true
stdout_logfile=../log/{name}.log
stdout_logfile_maxbytes={log_bytes}
stdout_logfile_backups={log_backups}
"""


@dataclass(frozen=True)
class Program:
    """A program under the supervisor; `words` is its whole command line."""

    name: str
    group: str
    words: list[str]
    stop_signal: str = "TERM"

    @property
    def full_name(self) -> str:
        """Return the name the supervisor knows it by."""
        return f"{self.group}:{self.name}"


class Supervisor:
    """A supervisord that we started, with its programs; none of them runs yet."""

    def __init__(self, run_directory: Path, programs: list[Program]) -> None:
        self.run_directory = run_directory
        self.programs = programs
        self.socket = run_directory / SOCKET
        if len(os.fsencode(self.socket)) > LONGEST_SOCKET_PATH:
            directory = tempfile.mkdtemp(prefix=SOCKET_DIRECTORY_PREFIX, dir="/tmp")
            self.socket = Path(directory) / SOCKET
        self.socket.unlink(missing_ok=True)  # from a run that was killed; we hold the lock
        self.process: subprocess.Popen[bytes] | None = None
        self._write()

    def start(self, environment: Mapping[str, str]) -> None:
        """Start supervisord and wait until it takes orders.

        It has a session of its own: Ctrl-C reaches us only, and we stop it in order.

        Errors: RuntimeError when it ends or stays silent.
        """
        words = [sys.executable, "-m", "supervisor.supervisord", "-c", "supervisord.conf"]
        output = self.run_directory.parent / "log" / "supervisord.out"
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                launch.command(words, parent=os.getpid()),
                cwd=self.run_directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            try:
                self.states()
                return
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    said = output.read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"The supervisor did not start:\n{said}") from error
                time.sleep(0.05)

    def start_program(self, program: Program) -> None:
        """Start one program; one that runs already is left alone."""
        try:
            self._server().startProcess(program.full_name, False)
        except Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise

    def states(self) -> dict[str, str]:
        """Return the state of each program: RUNNING, BACKOFF, FATAL and so on.

        Errors: OSError when supervisord does not answer.
        """
        try:
            answer = self._server().getAllProcessInfo()
        except (HTTPException, ProtocolError) as error:
            raise OSError(str(error)) from error
        if not isinstance(answer, list):
            raise OSError("unexpected answer")
        return {str(info["name"]): str(info["statename"]) for info in answer}

    def request_stop(self) -> None:
        """Ask supervisord to stop its programs and itself."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def remove_socket(self) -> None:
        """Remove the socket, and its directory if that is in /tmp."""
        remove_socket(self.socket)

    def _server(self) -> ServerProxy:
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        server = ServerProxy("http://127.0.0.1", transport=transport)
        return server.supervisor  # type: ignore[return-value]

    def _write(self) -> None:
        scripts = self.run_directory / "bin"
        scripts.mkdir(mode=0o700, exist_ok=True)
        sizes = {"log_bytes": LOG_BYTES, "log_backups": LOG_BACKUPS}
        user = "user=root\n" if os.geteuid() == 0 else ""
        # By name where it is beside the configuration, whose path may hold anything.
        socket = SOCKET if self.socket.parent == self.run_directory else self.socket
        parts = [CONFIGURATION.format(socket=socket, user=user, **sizes)]
        for priority, group in enumerate((SERVERS, APPS), start=1):
            names = [program.name for program in self.programs if program.group == group]
            if names:
                parts.append(GROUP.format(group=group, names=",".join(names), priority=priority))
        for program in self.programs:
            _write_script(scripts / program.name, program)
            parts.append(
                PROGRAM.format(
                    name=program.name,
                    stop_signal=program.stop_signal,
                    stop_seconds=STOP_SECONDS[program.group],
                    **sizes,
                )
            )
        path = self.run_directory / "supervisord.conf"
        path.write_text("".join(parts), encoding="utf-8")
        path.chmod(0o600)


def remove_socket(path: Path) -> None:
    """Remove a socket made by `Supervisor`, wherever it got to."""
    path.unlink(missing_ok=True)
    if path.parent.name.startswith(SOCKET_DIRECTORY_PREFIX):
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def _write_script(path: Path, program: Program) -> None:
    text = "#!/bin/sh\n# Written at every start. It shows what runs; edits are lost.\n"
    path.write_text(f"{text}exec {shlex.join(program.words)}\n", encoding="utf-8")
    path.chmod(0o700)
