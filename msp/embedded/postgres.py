"""One PostgreSQL cluster: laid out by us, listening on loopback, with three logins.

    <directory>/postgres/          the cluster; as root it belongs to the server's account
    <directory>/postgresql.conf    written at every start
    <directory>/pg_hba.conf        only the three logins, only by password, only from loopback

The superuser has no password and no line in pg_hba.conf: nobody can connect as it.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg2

from . import launch
from .accounts import Account, give
from .binaries import Binaries

DATABASE = "msp"
OWNER, APP, INGEST = "msp_owner", "msp_app", "msp_ingest"
LOGINS = (OWNER, APP, INGEST)
START_SECONDS = 60.0

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # No Unix socket: its path would break beyond 107 bytes, and nothing needs one.
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "128MB",
    # The rest frees the locks of a client that vanished.
    "client_connection_check_interval": "10s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# For tests: a crash loses everything, and nothing waits for the disk.
FORGETFUL = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum_naptime": "1h",
    "shared_buffers": "64MB",
    "jit": "off",
}


class ClusterError(RuntimeError):
    """PostgreSQL could not be laid out or does not answer; the message says what it said."""


def create_cluster(
    directory: Path,
    binaries: Binaries,
    account: Account | None,
    passwords: Mapping[str, str],
    *,
    forgetful: bool = False,
) -> None:
    """Lay the cluster out with its database and logins, unless it is there.

    It is built beside its place and renamed, so an interrupted start leaves nothing half-made.
    A forgetful cluster is for tests: unsynced, and its owner may create databases.

    Errors: ClusterError.
    """
    if (directory / "postgres").is_dir():
        return
    for leftover in directory.glob(".postgres-*"):
        shutil.rmtree(leftover)
    making = Path(tempfile.mkdtemp(prefix=".postgres-", dir=directory))
    if account:
        os.chown(making, account.named_uid, account.named_gid)
    try:
        words = [str(binaries.initdb), "--pgdata", str(making), "--username=postgres"]
        words += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        # "reject" is what initdb writes into its own pg_hba.conf; ours replaces that file.
        words += ["--builtin-locale=C.UTF-8", "--auth=reject", "--no-instructions"]
        words += ["--no-sync", "--no-data-checksums"] if forgetful else ["--data-checksums"]
        _run(words, account)
        single = [str(binaries.postgres), "--single", "-D", str(making), "-c", "log_timezone=UTC"]
        single += ["-c", "fsync=off"] if forgetful else []
        _run([*single, "postgres"], account, _roles_sql(passwords, forgetful=forgetful))
        if account:
            give(making, account.uid, account.gid, owned_by=account.named_uid)
        os.rename(making, directory / "postgres")
    finally:
        shutil.rmtree(making, ignore_errors=True)


def write_configuration(directory: Path, *, forgetful: bool = False) -> None:
    """Write the two configuration files; they hold no secrets."""
    settings = {**SETTINGS, **(FORGETFUL if forgetful else DURABLE)}
    lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
    (directory / "postgresql.conf").write_text("".join(lines), encoding="utf-8")
    logins = ",".join(LOGINS)
    (directory / "pg_hba.conf").write_text(
        f"host all {logins} 127.0.0.1/32 scram-sha-256\n", encoding="utf-8"
    )
    for name in ("postgresql.conf", "pg_hba.conf"):
        (directory / name).chmod(0o644)


def server_command(
    directory: Path,
    binaries: Binaries,
    account: Account | None,
    port: int,
    *,
    parent: int | None = None,
) -> list[str]:
    """Return the command line of the server in the foreground.

    SIGINT, also on its parent's death, is PostgreSQL's "fast" stop: sessions end, data are safe.
    """
    argv = [str(binaries.postgres), "-D", str(directory / "postgres"), "-p", str(port)]
    argv += ["-c", f"config_file={directory / 'postgresql.conf'}"]
    argv += ["-c", f"hba_file={directory / 'pg_hba.conf'}"]
    uid, gid = (account.uid, account.gid) if account else (None, None)
    return launch.command(
        argv, death="INT", uid=uid, gid=gid, cwd=str(directory), clean=True, parent=parent
    )


def database_url(login: str, password: str, port: int) -> str:
    """Return the URL under which `login` reaches the database."""
    return f"postgres://{login}:{password}@127.0.0.1:{port}/{DATABASE}"


def answers(port: int, password: str) -> bool:
    """Tell whether the application's login can open the database.

    Errors: ClusterError when the server answers but refuses the password.
    """
    try:
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=port,
            user=APP,
            password=password,
            dbname=DATABASE,
            connect_timeout=5,
        )
    except psycopg2.OperationalError as error:
        if "password authentication failed" in str(error):
            raise ClusterError(
                f"Another PostgreSQL answers on port {port}, or the passwords were replaced."
            ) from error
        return False
    connection.close()
    return True


def wait_until_it_answers(server: subprocess.Popen[bytes], port: int, password: str) -> None:
    """Wait until the database can be opened.

    Errors: ClusterError when the server ends or stays silent.
    """
    deadline = time.monotonic() + START_SECONDS
    while not answers(port, password):
        if server.poll() is not None:
            raise ClusterError(f"PostgreSQL ended with status {server.returncode}.")
        if time.monotonic() > deadline:
            raise ClusterError(f"PostgreSQL does not answer after {START_SECONDS:.0f} s.")
        time.sleep(0.02)


def _roles_sql(passwords: Mapping[str, str], *, forgetful: bool) -> str:
    # One statement a line: that is how single-user mode reads.
    create_databases = "CREATEDB" if forgetful else "NOCREATEDB"
    plain = "LOGIN NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    lines = [
        f"CREATE ROLE {OWNER} {plain} {create_databases} PASSWORD '{passwords[OWNER]}'",
        f"CREATE ROLE {APP} {plain} NOCREATEDB NOINHERIT PASSWORD '{passwords[APP]}'",
        f"CREATE ROLE {INGEST} {plain} NOCREATEDB NOINHERIT PASSWORD '{passwords[INGEST]}'",
        f"CREATE DATABASE {DATABASE} OWNER {OWNER}",
    ]
    if not forgetful:
        lines += [
            f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC",
            f"GRANT CONNECT ON DATABASE {DATABASE} TO {APP}, {INGEST}",
            "REVOKE ALL ON DATABASE postgres FROM PUBLIC",
        ]
    return "".join(f"{line};\n" for line in lines)


def _run(argv: list[str], account: Account | None, standard_input: str = "") -> None:
    uid, gid = (account.named_uid, account.named_gid) if account else (None, None)
    words = launch.command(argv, death="KILL", uid=uid, gid=gid, cwd="/", clean=True)
    done = subprocess.run(words, input=standard_input, capture_output=True, text=True, check=False)
    # Single-user mode goes on after an error and ends with 0.
    if done.returncode or "ERROR:" in done.stderr or "FATAL:" in done.stderr:
        raise ClusterError(f"{Path(argv[0]).name} failed:\n{done.stderr.strip()[-2000:]}")
