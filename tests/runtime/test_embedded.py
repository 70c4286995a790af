"""The embedded servers: who may do what, and what they leave alone."""

import base64
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest

from msp.embedded import ephemeral, launch, postgres, valkey
from msp.embedded.accounts import FIRST_UID, LAST_UID, SYSTEM_BASE, give, server_account
from msp.embedded.binaries import copied, from_wheels
from msp.embedded.layout import REPOSITORY, layout_for
from msp.embedded.ports import choose_ports, is_free, remembered_ports
from msp.embedded.secret_files import make_secrets, write_private

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")


def modes(top: Path) -> dict[str, tuple[int, int]]:
    """Return mode and owner of a directory and of all its parents."""
    return {
        str(path): (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid)
        for path in (top, *top.parents)
    }


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory below a path with spaces, quotes, a percent sign, and over 107 bytes."""
    path = tmp_path_factory.mktemp("awkward") / 'it\'s 100% "quoted"; really' / ("long-" * 22)
    path.mkdir(parents=True)
    assert len(os.fsencode(path)) > 107
    return path


@pytest.fixture(scope="module")
def before(awkward: Path) -> dict[str, tuple[int, int]]:
    """Return the modes before any server starts."""
    places = (awkward, REPOSITORY, Path(sys.executable).parent, from_wheels().postgres)
    return {name: mode for place in places for name, mode in modes(place).items()}


@pytest.fixture(scope="module")
def services(awkward: Path, before: dict[str, tuple[int, int]]) -> Iterator[ephemeral.Services]:
    """Servers in that directory; as root the servers' account must be able to pass through."""
    if os.geteuid() == 0:
        # pytest's own directories are closed to other accounts; the servers are ours to place.
        base = Path("/tmp") / f"msp embedded {os.getpid()}" / ("long-" * 22)
        base.mkdir(parents=True)
    else:
        base = awkward
    try:
        with ephemeral.start(base) as started:
            yield started
    finally:
        if base != awkward:
            shutil.rmtree(base.parent)


def query(url: str, sql: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def test_logins_have_no_more_rights_than_they_need(services: ephemeral.Services) -> None:
    rows = query(
        services.env["DATABASE_URL"],
        "SELECT rolname, rolcanlogin, rolsuper, rolinherit, rolcreaterole, rolbypassrls,"
        " rolreplication FROM pg_roles WHERE rolname LIKE 'msp%' ORDER BY 1",
    )
    assert rows == [
        ("msp_app", True, False, False, False, False, False),
        ("msp_ingest", True, False, False, False, False, False),
        ("msp_owner", True, False, True, False, False, False),
    ]


def test_application_and_ingest_own_nothing_and_the_owner_owns_the_database(
    services: ephemeral.Services,
) -> None:
    owned = query(
        services.env["DATABASE_URL"],
        "SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'msp'"
        " UNION ALL SELECT nspname, pg_get_userbyid(nspowner) FROM pg_namespace"
        " WHERE pg_get_userbyid(nspowner) IN ('msp_app', 'msp_ingest')",
    )
    assert owned == [("msp", "msp_owner")]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query(services.env["DATABASE_URL"], "CREATE TABLE t (x int)")


@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_INGEST_URL"])
def test_a_wrong_password_is_refused(services: ephemeral.Services, variable: str) -> None:
    right = services.env[variable]
    assert query(right, "SELECT 1") == [(1,)]
    password = urlsplit(right).password or ""
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        query(right.replace(password, "wrong"), "SELECT 1")


def test_nobody_connects_as_the_superuser(services: ephemeral.Services) -> None:
    url = urlsplit(services.env["DATABASE_URL"])
    for password in ("", "postgres"):
        with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry"):
            query(f"postgres://postgres:{password}@127.0.0.1:{url.port}/msp", "SELECT 1")


def test_passwords_are_stored_as_scram_and_text_is_utf8(services: ephemeral.Services) -> None:
    owner = services.env["DATABASE_OWNER_URL"]
    assert query(owner, "SHOW password_encryption") == [("scram-sha-256",)]
    assert query(owner, "SHOW server_encoding") == [("UTF8",)]
    assert query(owner, "SELECT lower('ÄÖÜ')") == [("äöü",)]


def test_the_other_logins_reach_databases_that_tests_create(services: ephemeral.Services) -> None:
    owner = services.env["DATABASE_OWNER_URL"]
    with closing(psycopg2.connect(owner)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE test_another")
    for variable in ("DATABASE_URL", "DATABASE_INGEST_URL"):
        url = services.env[variable].removesuffix("/msp") + "/test_another"
        assert query(url, "SELECT current_database()") == [("test_another",)]


@pytest.mark.parametrize("variable", ["REDIS_URL", "CACHE_URL"])
def test_valkey_wants_its_password(services: ephemeral.Services, variable: str) -> None:
    url = urlsplit(services.env[variable])
    assert valkey.answers(url.port or 0, url.password or "")
    assert not valkey.answers(url.port or 0, "wrong")


def test_the_broker_refuses_when_full_and_the_cache_evicts(services: ephemeral.Services) -> None:
    assert "noeviction" in (services.directory / "valkey-broker.conf").read_text()
    assert "allkeys-lru" in (services.directory / "valkey-cache.conf").read_text()


def test_servers_listen_on_loopback_only(services: ephemeral.Services) -> None:
    names = ("DATABASE_URL", "REDIS_URL", "CACHE_URL")
    ports = {urlsplit(services.env[name]).port for name in names}
    listening = [
        c.laddr
        for c in psutil.net_connections("inet")
        if c.status == psutil.CONN_LISTEN and c.laddr.port in ports
    ]
    assert {address.port for address in listening} == ports
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_no_password_is_on_a_command_line(services: ephemeral.Services) -> None:
    passwords = [path.read_text().strip() for path in (services.directory / "secrets").iterdir()]
    lines = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    assert any("postgres" in line for line in lines)
    assert not [line for line in lines if any(password in line for password in passwords)]


def test_secrets_are_for_the_owner_only(services: ephemeral.Services) -> None:
    secrets = services.directory / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    files = list(secrets.iterdir())
    assert len(files) == 7
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    for name in (valkey.BROKER, valkey.CACHE):
        assert stat.S_IMODE((services.directory / f"{name}.conf").stat().st_mode) == 0o600
    assert stat.S_IMODE((services.directory / "postgres").stat().st_mode) == 0o700


def test_the_key_encryption_key_is_32_random_bytes(services: ephemeral.Services) -> None:
    text = Path(services.env["KEY_ENCRYPTION_KEY_FILE"]).read_text()
    assert len(base64.b64decode(text, validate=False)) == 32


def test_nothing_else_changes_its_mode_or_owner(
    before: dict[str, tuple[int, int]], services: ephemeral.Services
) -> None:
    assert services.env
    for name, mode in before.items():
        path = Path(name)
        assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) == mode, name


@needs_root
def test_as_root_the_servers_run_under_a_number_nobody_else_has(
    services: ephemeral.Services,
) -> None:
    uids = {
        process.uids().real
        for process in psutil.Process().children(recursive=True)
        if str(services.directory) in " ".join(process.cmdline())
    }
    assert len(uids) == 1
    assert FIRST_UID <= uids.pop() <= LAST_UID
    account = server_account(services.directory)
    assert account is not None
    assert (services.directory / "postgres").stat().st_uid == account.uid


@needs_root
def test_two_installations_get_two_numbers(tmp_path: Path) -> None:
    numbers = {server_account(tmp_path / str(n)).uid for n in range(5)}  # type: ignore[union-attr]
    assert len(numbers) > 1


@needs_root
def test_a_tree_with_something_foreign_in_it_is_not_given_away(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (top / "linked").hardlink_to(_file(tmp_path / "elsewhere"))
    with pytest.raises(PermissionError):
        give(top, 65534, 65534, owned_by=0)


def test_the_copy_of_the_programs_is_made_once_and_runs(tmp_path: Path) -> None:
    first = copied(tmp_path)
    made_at = first.postgres.stat().st_mtime_ns
    said = subprocess.run([first.postgres, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("postgres (PostgreSQL) 18")
    assert copied(tmp_path) == first
    assert first.postgres.stat().st_mtime_ns == made_at
    assert [path.name for path in tmp_path.iterdir()] == [first.valkey.parent.name]


def test_servers_end_with_a_parent_that_was_killed() -> None:
    code = (
        "import json, os, psutil, sys; from msp.embedded import ephemeral;"
        "s = ephemeral.start(); me = psutil.Process();"
        "print(json.dumps([str(s.directory), [p.pid for p in me.children(recursive=True)]]));"
        "sys.stdout.flush(); os.kill(me.pid, 9)"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    directory, pids = json.loads(done.stdout)
    assert len(pids) >= 3
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with ephemeral.start():
        assert not Path(directory).exists()  # the next start clears up


def test_stop_leaves_no_process_and_no_file() -> None:
    known = {process.pid for process in psutil.Process().children(recursive=True)}
    services = ephemeral.start()
    services.stop()
    services.stop()
    left = {p.pid for p in psutil.Process().children(recursive=True)} - known
    assert not left
    assert not services.directory.exists()


def test_the_command_passes_on_the_exit_status_and_the_environment() -> None:
    words = [sys.executable, "-m", "msp.embedded.ephemeral", "--", sys.executable, "-c"]
    code = (
        "import os, sys; sys.exit(7 if os.environ['DATABASE_URL'].startswith('postgres://') else 1)"
    )
    assert subprocess.run([*words, code], cwd=REPOSITORY, check=False).returncode == 7


def test_a_failed_layout_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    broken = from_wheels()
    broken = type(broken)(initdb=Path("/bin/false"), postgres=broken.postgres, valkey=broken.valkey)
    with pytest.raises(postgres.ClusterError, match="false failed"):
        postgres.create_cluster(tmp_path, broken, None, make_secrets(tmp_path / "secrets"))
    assert [path.name for path in tmp_path.iterdir()] == ["secrets"]


def test_secrets_are_kept_and_only_missing_ones_are_made(tmp_path: Path) -> None:
    first = make_secrets(tmp_path)
    (tmp_path / "msp_app").unlink()
    second = make_secrets(tmp_path)
    assert {name for name in first if first[name] != second[name]} == {"msp_app"}


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _file(tmp_path / "secret", "old")

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_private(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_ports_are_remembered_while_free(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = remembered_ports(path, ("a", "b"))
    assert len(set(first.values())) == 2
    assert remembered_ports(path, ("a", "b")) == first
    path.write_text("cut o")
    assert set(remembered_ports(path, ("a", "b"))) == {"a", "b"}


def test_a_free_port_is_free() -> None:
    assert is_free("127.0.0.1", choose_ports(1)[0])


@needs_root
def test_root_keeps_data_outside_the_checkout_and_users_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = layout_for(tmp_path / "var")
    assert layout.servers.parent == SYSTEM_BASE
    assert layout.private.is_relative_to(layout.servers)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    layout = layout_for(tmp_path / "var")
    assert layout.servers == layout.private == layout.var


def test_a_launched_program_gets_only_the_variables_it_is_given() -> None:
    words = launch.command(["/usr/bin/env"], clean=True, variables={"GIVEN": "a=b c"})
    secret = {**os.environ, "DATABASE_URL": "postgres://secret"}
    said = subprocess.run(words, env=secret, capture_output=True, text=True, check=True).stdout
    assert "GIVEN=a=b c" in said
    assert "secret" not in said


def _file(path: Path, content: str = "") -> Path:
    path.write_text(content)
    return path
