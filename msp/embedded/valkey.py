"""Two Valkey servers that keep nothing on disk.

The broker (Celery and channels) refuses writes when it is full, because a lost message must be
noticed; the cache evicts. Neither saves: what must survive is in the database, and the sweeps
send again what was lost.
"""

import os
import socket
import subprocess
import time
from pathlib import Path

from . import launch
from .accounts import Account
from .binaries import Binaries

BROKER, CACHE = "valkey-broker", "valkey-cache"
MEMORY_POLICIES = {BROKER: ("256mb", "noeviction"), CACHE: ("128mb", "allkeys-lru")}
START_SECONDS = 20.0


class ValkeyError(RuntimeError):
    """A Valkey does not answer."""


def write_configuration(
    directory: Path, name: str, account: Account | None, port: int, password: str
) -> None:
    """Write the configuration of one server, readable by the account it runs as."""
    memory, policy = MEMORY_POLICIES[name]
    path = directory / f"{name}.conf"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\n"
        f'maxmemory {memory}\nmaxmemory-policy {policy}\nsave ""\nappendonly no\n',
        encoding="utf-8",
    )
    if account:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def server_command(
    directory: Path,
    name: str,
    binaries: Binaries,
    account: Account | None,
    parent: int | None = None,
) -> list[str]:
    """Return the command line of one server in the foreground."""
    uid, gid = (account.uid, account.gid) if account else (None, None)
    return launch.command(
        [str(binaries.valkey), f"{name}.conf"],
        uid=uid,
        gid=gid,
        cwd=str(directory),
        clean=True,
        parent=parent,
    )


def url(password: str, port: int) -> str:
    """Return the address of a server."""
    return f"redis://:{password}@127.0.0.1:{port}/0"


def answers(port: int, password: str) -> bool:
    """Tell whether the server on this port takes the password and answers PING."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2:
                part = connection.recv(1024)
                if not part:
                    return False
                answer += part
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"


def wait_until_it_answers(server: subprocess.Popen[bytes], port: int, password: str) -> None:
    """Wait until the server answers.

    Errors: ValkeyError when it ends or stays silent.
    """
    deadline = time.monotonic() + START_SECONDS
    while not answers(port, password):
        if server.poll() is not None:
            raise ValkeyError(f"Valkey ended with status {server.returncode}.")
        if time.monotonic() > deadline:
            raise ValkeyError(f"Valkey does not answer after {START_SECONDS:.0f} s.")
        time.sleep(0.02)
