"""Servers for tests: fresh, fast, forgetful, gone with whoever started them.

with ephemeral.start() as services:
    os.environ.update(services.env)

python -m msp.embedded.ephemeral -- CMD...    runs CMD with that environment
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from . import launch, postgres, valkey
from .accounts import SYSTEM_BASE, Account, server_account
from .binaries import Binaries, copied, from_wheels
from .ports import choose_ports
from .secret_files import make_secrets

PREFIX = "msp-test-"
ATTEMPTS = 3
STOP_SECONDS = 5.0


@dataclass
class Services:
    """Running servers; `env` holds the environment variables that lead to them."""

    directory: Path
    env: dict[str, str]
    logs: dict[str, Path]
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)
    _lock: int = -1

    def stop(self) -> None:
        """End the servers and remove their data; a second call does nothing."""
        for process in self._processes:
            # Immediate: nothing is worth a checkpoint here.
            process.send_signal(signal.SIGQUIT if process is self._processes[0] else signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def start(root_dir: Path | str | None = None, *, durable: bool = False) -> Services:
    """Start PostgreSQL and two Valkeys in a new directory below `root_dir` (the system's default).

    The thread that calls this is the parent: the servers end when it does, even by SIGKILL.
    `msp_owner` may create databases, and the other two logins may connect to all of them.
    `durable` makes commits wait for the disk, as in `make run`: for benchmarks.

    Errors: ClusterError, ValkeyError, WheelMissing.
    """
    base = Path(root_dir or tempfile.gettempdir())
    _remove_leftovers(base)
    directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    # Locked before it has its name, lest another process take it for a leftover.
    lock = os.open(directory / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(directory / ".lock", directory / "lock")
    services = Services(directory, {}, {}, [], lock)
    try:
        _fill(services, durable=durable)
    except BaseException:
        services.stop()
        raise
    return services


def _fill(services: Services, *, durable: bool) -> None:
    directory = services.directory
    account = server_account(directory)
    if account:
        # The servers' account passes through, but lists and reads nothing.
        directory.chmod(0o711)
        SYSTEM_BASE.mkdir(mode=0o755, exist_ok=True)
        binaries = copied(SYSTEM_BASE)
    else:
        binaries = from_wheels()
    secrets = make_secrets(directory / "secrets")
    postgres.create_cluster(directory, binaries, account, secrets, forgetful=True)
    postgres.write_configuration(directory, forgetful=not durable)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            services.env = _start_servers(services, binaries, account, secrets)
            if not durable:  # telemetry opens on these servers only when told so
                services.env["INGEST_MAY_LOSE"] = "true"
            return
        except (postgres.ClusterError, valkey.ValkeyError) as error:
            # Between choosing a port and listening on it another process may have taken it.
            for process in services._processes:
                process.kill()
                process.wait()
            services._processes.clear()
            if attempt == ATTEMPTS:
                tails = [log.read_text(errors="replace")[-2000:] for log in services.logs.values()]
                raise type(error)("\n".join([str(error), *tails])) from error


def _start_servers(
    services: Services, binaries: Binaries, account: Account | None, secrets: dict[str, str]
) -> dict[str, str]:
    """Start the three servers, wait until they answer, and return the environment."""
    directory, parent = services.directory, os.getpid()
    port, broker_port, cache_port = choose_ports(3)
    valkeys = {
        valkey.BROKER: (broker_port, secrets["valkey_broker"]),
        valkey.CACHE: (cache_port, secrets["valkey_cache"]),
    }
    words = postgres.server_command(directory, binaries, account, port, parent=parent)
    database = _spawn(services, "postgres", words)
    started = {}
    for name, (valkey_port, password) in valkeys.items():
        valkey.write_configuration(directory, name, account, valkey_port, password)
        words = valkey.server_command(directory, name, binaries, account, parent)
        started[name] = _spawn(services, name, words)
    for name, (valkey_port, password) in valkeys.items():
        valkey.wait_until_it_answers(started[name], valkey_port, password)
    postgres.wait_until_it_answers(database, port, secrets[postgres.APP])
    urls = {login: postgres.database_url(login, secrets[login], port) for login in postgres.LOGINS}
    return {
        "DATABASE_URL": urls[postgres.APP],
        "DATABASE_OWNER_URL": urls[postgres.OWNER],
        "DATABASE_INGEST_URL": urls[postgres.INGEST],
        "REDIS_URL": valkey.url(secrets["valkey_broker"], broker_port),
        "CACHE_URL": valkey.url(secrets["valkey_cache"], cache_port),
        "SECRET_KEY": secrets["secret_key"],
        "KEY_ENCRYPTION_KEY_FILE": str(directory / "secrets" / "key_encryption_key"),
        "MSP_EMBEDDED": "true",
    }


def _spawn(services: Services, name: str, words: list[str]) -> subprocess.Popen[bytes]:
    log = services.logs[name] = services.directory / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    services._processes.append(process)
    return process


def _remove_leftovers(base: Path) -> None:
    """Remove what a killed process left: its lock is free."""
    for lock_path in base.glob(f"{PREFIX}*/lock"):
        try:
            lock = os.open(lock_path, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock_path.parent, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def main() -> int:
    """Run a command with servers around it and return its exit status."""
    words = sys.argv[1:]
    if words[:1] == ["--"]:
        words = words[1:]
    if not words:
        print("usage: python -m msp.embedded.ephemeral -- CMD...", file=sys.stderr)
        return 2
    # A stopped run must still stop its servers: the handler makes `with` unwind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with start() as services:
        launched = launch.command([shutil.which(words[0]) or words[0], *words[1:]])
        return subprocess.run(launched, env={**os.environ, **services.env}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
