"""The production files say what the code really is. Compose itself cannot run here.

The files are read as Compose would read them (variables, merged keys), and every word in them that
names something of ours is looked up: modules, commands, options, variables, files, addresses.
"""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import psycopg2
import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands
from django.urls import resolve

from monitoring.ingest import wire
from monitoring.ingest.app import PATH
from msp.celery import app as celery_app
from msp.embedded import accounts, binaries, launch, ports, postgres, valkey
from msp.settings import env

ROOT = Path(__file__).resolve().parents[1]


def _script(path: str) -> ModuleType:
    """Import a file that lies in no package."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


healthcheck, machine = _script("docker/healthcheck.py"), _script("scripts/machine.py")
SECRETS = "/run/secrets/"
OURS = ("setup", "web", "worker", "beat")
ANSWERS = {  # what docker/env.example leaves to be filled in, as somebody would
    "MSP_HOST": "desk.example",
    "MSP_NAME": "Example IT",
    "EMAIL_HOST": "mail.example",
    "DEFAULT_FROM_EMAIL": "support@desk.example",
}
_VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([-?])([^}]*))?\}")


def _filled(text: str, values: dict[str, str]) -> str:
    """Replace `${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `$$` as Compose does."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        found = values.get(name, "")
        if not found and kind == "?":
            raise LookupError(f"{name}: {rest}")
        return found or (rest if kind == "-" else "")

    return _VARIABLE.sub(value, text.replace("$$", "\0")).replace("\0", "$")


def _read(values: dict[str, str] = ANSWERS) -> dict[str, Any]:
    def fill(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: fill(inner) for key, inner in node.items()}
        if isinstance(node, list):
            return [fill(inner) for inner in node]
        return _filled(node, values) if isinstance(node, str) else node

    made: dict[str, Any] = fill(yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8")))
    return made


COMPOSE = _read()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
CADDYFILE = (ROOT / "docker/Caddyfile").read_text("utf-8")


def _image_variables() -> dict[str, str]:
    """Return what the image itself sets: every `ENV` line, continued ones included."""
    joined = DOCKERFILE.replace("\\\n", " ")
    last_stage = joined[joined.rindex("\nFROM ") :]
    words = [
        word
        for line in last_stage.splitlines()
        if line.startswith("ENV ")
        for word in shlex.split(line.removeprefix("ENV "))
    ]
    return dict(word.split("=", 1) for word in words)


@pytest.fixture(scope="module")
def made_secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the script that makes the secrets."""
    directory = tmp_path_factory.mktemp("made") / "secrets with a space"
    _make_secrets(directory)
    return directory


def _make_secrets(directory: Path) -> str:
    script = str(ROOT / "docker/make-secrets.sh")
    done = subprocess.run(
        ["sh", script, str(directory)], capture_output=True, text=True, check=True
    )
    return done.stdout


# ---------------------------------------------------------------- images and doors


def test_every_image_is_pinned_to_a_version() -> None:
    images = [service["image"] for service in SERVICES.values()]
    images += re.findall(r"(?m)^FROM (\S+)", DOCKERFILE)
    loose = [image for image in images if not re.search(r":\d+\.\d+", image)]
    assert loose == []
    assert not [image for image in images if "latest" in image or image.count("/") > 1]


def test_our_image_carries_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert SERVICES["web"]["image"] == f"msp-platform:{project['version']}"


def test_the_servers_are_those_the_tests_run_on() -> None:
    ours = binaries.from_wheels()
    said = [
        subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        for path in (ours.postgres, ours.valkey)
    ]
    major = re.search(r"PostgreSQL\) (\d+)", said[0])
    valkey_version = re.search(r"v=(\d+)", said[1])
    assert major
    assert valkey_version
    assert SERVICES["postgres"]["image"].startswith(f"postgres:{major[1]}.")
    for name in ("valkey-broker", "valkey-cache"):
        assert SERVICES[name]["image"].startswith(f"valkey/valkey:{valkey_version[1]}.")


def test_only_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["caddy"]
    assert not [name for name, service in SERVICES.items() if "network_mode" in service]
    servers_alone = {"postgres", "valkey-broker", "valkey-cache", "beat", "setup"}
    assert COMPOSE["networks"]["servers"]["internal"] is True
    assert servers_alone == {
        name for name, service in SERVICES.items() if service["networks"] == ["servers"]
    }


def test_every_service_that_stays_is_restarted_and_watched() -> None:
    for name, service in SERVICES.items():
        if name == "setup":
            assert service["restart"] == "no"
            continue
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name


def test_our_programs_own_nothing_and_write_only_where_they_must() -> None:
    assert re.findall(r"(?m)^USER (\S+)", DOCKERFILE) == ["msp"]
    for name in OURS:
        service = SERVICES[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert "user" not in service
        assert "privileged" not in service


# ---------------------------------------------------------------- commands


def test_the_web_process_serves_the_application_with_options_that_exist() -> None:
    words = SERVICES["web"]["command"]
    assert words[0] == "uvicorn"
    options = {word.split("=")[0] for word in words[2:]}
    known = subprocess.run(
        [sys.executable, "-m", "uvicorn", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert not [option for option in options if option not in known]
    assert words[1] == settings.ASGI_APPLICATION.replace(".application", ":application")
    assert "--proxy-headers" in options  # or every visitor has the proxy's address
    assert "--no-access-log" in options  # its lines would hold the keys of password links
    # The agents' last reports are stored before the process ends.
    grace = int(next(w for w in words if w.startswith("--timeout-graceful")).split("=")[1])
    assert grace < int(SERVICES["web"]["stop_grace_period"].removesuffix("s"))


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_celery_finds_its_application_and_options(name: str) -> None:
    words = SERVICES[name]["command"]
    assert words[:3] == ["celery", "--app=msp.celery", name]
    known = subprocess.run(
        [sys.executable, "-m", "celery", name, "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert not [word for word in words[3:] if word.split("=")[0] not in known]
    assert celery_app.main == "msp"


def test_what_beat_sends_exists() -> None:
    celery_app.loader.import_default_modules()
    sent = {entry["task"] for entry in celery_app.conf.beat_schedule.values()}
    assert sent
    assert sent <= set(celery_app.tasks)


def test_no_task_has_limits_under_which_celery_refuses_to_send_it() -> None:
    celery_app.loader.import_default_modules()
    conf = celery_app.conf
    wrong = [
        name
        for name, task in celery_app.tasks.items()
        if (task.soft_time_limit or conf.task_soft_time_limit)
        > (task.time_limit or conf.task_time_limit)
    ]
    assert wrong == []


def test_beat_keeps_its_schedule_on_a_volume_that_its_check_looks_at() -> None:
    beat = SERVICES["beat"]
    option = next(word for word in beat["command"] if word.startswith("--schedule="))
    directory = os.path.dirname(option.removeprefix("--schedule="))
    volume, target = beat["volumes"][0].split(":")
    assert target == directory
    assert volume in COMPOSE["volumes"]
    assert f"find {directory} " in " ".join(beat["healthcheck"]["test"])
    # A fresh volume takes its owner from the image.
    assert f"install -d -o msp -g msp {directory}" in DOCKERFILE


def test_management_commands_exist() -> None:
    steps = SERVICES["setup"]["command"][-1]
    assert re.findall(r"manage\.py (\w+)", steps) == ["setup_database", "ensure_defaults"]
    assert steps.count("&&") == 1  # the second only if the first went well
    for command in re.findall(r"python manage\.py (\w+)", steps + DOCKERFILE):
        assert command in get_commands()


def test_nothing_of_ours_starts_before_the_database_is_of_this_release() -> None:
    for name in ("web", "worker", "beat"):
        waits = SERVICES[name]["depends_on"]
        assert waits["setup"]["condition"] == "service_completed_successfully"
        assert {"postgres", "valkey-broker", "valkey-cache"} <= set(waits)
    assert set(SERVICES["setup"]["depends_on"]) == {"postgres", "valkey-broker", "valkey-cache"}


# ---------------------------------------------------------------- environment and secrets


def test_every_variable_is_one_the_settings_ask_for() -> None:
    others = {"DJANGO_SETTINGS_MODULE"}  # Django's own
    document = (ROOT / "docs/settings.md").read_text("utf-8")
    for name in OURS:
        for variable in SERVICES[name]["environment"]:
            if variable in others:
                continue
            assert variable in env.asked, (name, variable)
            base = variable if f"`{variable}`" in document else variable.removesuffix("_FILE")
            assert f"`{base}`" in document, (name, variable)
    ours = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "HOME", "XDG_CACHE_HOME"}
    assert set(_image_variables()) - ours - others <= set(env.asked)


def test_every_secret_is_a_file_that_is_declared_made_and_used(made_secrets: Path) -> None:
    declared = COMPOSE["secrets"]
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(declared)
    for name, entry in declared.items():
        assert entry == {"file": f"./secrets/{name}"}
        assert (made_secrets / name).is_file(), name
    for name, service in SERVICES.items():
        named = set(re.findall(rf"{SECRETS}([\w.]+)", yaml.safe_dump(service)))
        for mounted in _mounted_files(service):
            named |= set(re.findall(rf"{SECRETS}([\w.]+)", mounted.read_text("utf-8")))
        assert named == set(service.get("secrets", [])), name


def test_no_secret_stands_in_the_environment_or_in_these_files() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|_URL", variable) and variable != "PUBLIC_URL":
                assert variable.endswith("_FILE"), (name, variable)
                assert value.startswith(SECRETS)


def test_only_the_setup_step_holds_the_owners_login() -> None:
    holders = {
        name
        for name, service in SERVICES.items()
        if {"database_owner_url", "msp_owner_password"} & set(service.get("secrets", []))
    }
    assert holders == {"setup", "postgres"}
    writers = {name for name in OURS if "DATABASE_INGEST_URL_FILE" in SERVICES[name]["environment"]}
    assert writers == {"setup", "web"}


def test_the_example_of_the_environment_names_every_variable() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    wanted = {name for name, _, _ in _VARIABLE.findall(text)} - {"MSP_VERSION"}
    lines = (ROOT / "docker/env.example").read_text("utf-8").splitlines()
    assert {line.split("=")[0] for line in lines if line and line[0] != "#"} == wanted


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_refuses_to_start_without_what_only_the_operator_knows(name: str) -> None:
    with pytest.raises(LookupError, match=name):
        _read({key: value for key, value in ANSWERS.items() if key != name})


def test_secrets_are_long_private_and_kept(made_secrets: Path, tmp_path: Path) -> None:
    assert made_secrets.stat().st_mode & 0o777 == 0o700
    files = {path.name: path.read_text("utf-8") for path in made_secrets.iterdir()}
    # Mounted as they are into containers whose users differ; the directory is what is closed.
    assert {path.stat().st_mode & 0o777 for path in made_secrets.iterdir()} == {0o444}
    assert len({files[f"msp_{name}_password"] for name in ("owner", "app", "ingest")}) == 3
    assert all(len(text) >= 44 for name, text in files.items() if name != "email_password")
    assert _make_secrets(made_secrets).count("made ") == 0
    assert files == {path.name: path.read_text("utf-8") for path in made_secrets.iterdir()}
    _make_secrets(tmp_path)
    assert (tmp_path / "secret_key").read_text() != files["secret_key"]


def _environment(name: str, secrets: Path) -> dict[str, str]:
    """Return what a service of ours gets, with its secret files where they really are."""
    variables = {**_image_variables(), **SERVICES[name]["environment"]}
    return {
        **{key: str(value).replace(SECRETS, f"{secrets}/") for key, value in variables.items()},
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _run(name: str, secrets: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        env=_environment(name, secrets),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", OURS)
def test_production_settings_load_with_exactly_this_environment(
    name: str, made_secrets: Path
) -> None:
    code = (
        "import django; django.setup()\n"
        "from django.conf import settings as s\n"
        "print(s.DATABASES['default']['USER'], s.DATABASE_OWNER.get('USER'),"
        " s.DATABASE_INGEST.get('USER'), s.ALLOWED_HOSTS, s.EMAIL_HOST_PASSWORD == '')"
    )
    done = _run(name, made_secrets, "-c", code)
    owner = "msp_owner" if name == "setup" else None
    ingest = "msp_ingest" if name in ("setup", "web") else None
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"msp_app {owner} {ingest} ['desk.example'] True"


def test_djangos_own_deployment_check_has_nothing_to_say(made_secrets: Path) -> None:
    done = _run("web", made_secrets, "manage.py", "check", "--deploy")
    assert done.returncode == 0, done.stderr
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("?:")]
    # How the API's schema names its parts is no question of deployment.
    assert [line for line in said if "(drf_spectacular." not in line] == []
    assert "System check identified" in done.stdout + done.stderr


# ---------------------------------------------------------------- what the image holds


def test_the_image_holds_every_installed_app_and_nothing_is_sent_that_is_not_copied() -> None:
    copied = set(re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", DOCKERFILE))
    sources = {source for line in copied for source in line.split()}
    assert not [source for source in sources if not (ROOT / source).exists()]
    packages = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} - {
        "tests",
        "bench",
    }
    assert packages | {"templates"} <= sources
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    assert allowed == sources


def test_the_image_has_what_pdf_needs() -> None:
    for package in (*machine.LIBRARIES.values(), *machine.FONTS):
        assert package in DOCKERFILE


def test_the_image_installs_the_production_lock_with_its_hashes() -> None:
    assert "COPY requirements/prod.txt" in DOCKERFILE
    assert "--require-hashes" in DOCKERFILE


def test_static_files_are_collected_under_the_settings_of_the_image(tmp_path: Path) -> None:
    step = re.search(r"RUN ((?:[A-Z_]+=\S+ \\\n\s+)+)python manage.py collectstatic", DOCKERFILE)
    assert step
    given = dict(word.split("=", 1) for word in step[1].split() if word != "\\")
    collected = tmp_path / "static"
    done = subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput"],
        env={
            **_image_variables(),
            **given,
            "PATH": os.environ["PATH"],
            "STATIC_ROOT": str(collected),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (collected / "staticfiles.json").is_file()
    assert list(collected.glob("js/app.*.js"))


# ---------------------------------------------------------------- the servers' files


def _mounted_files(service: dict[str, Any]) -> Iterator[Path]:
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("./"):
            yield ROOT / source
        else:
            assert source in COMPOSE["volumes"]


def test_every_mounted_file_exists_and_is_read_only() -> None:
    for name, service in SERVICES.items():
        for path in _mounted_files(service):
            assert path.is_file(), (name, path)
        for volume in service.get("volumes", []):
            assert not volume.startswith("./") or volume.endswith(":ro"), (name, volume)


@pytest.mark.parametrize("name", [valkey.BROKER, valkey.CACHE])
def test_each_valkey_evicts_or_refuses_as_in_a_trial(name: str) -> None:
    (path,) = _mounted_files(SERVICES[name])
    lines = path.read_text("utf-8").splitlines()
    memory, policy = valkey.MEMORY_POLICIES[name]
    assert f"maxmemory {memory}" in lines
    assert f"maxmemory-policy {policy}" in lines
    assert 'save ""' in lines


def test_a_real_valkey_takes_the_file_and_asks_for_the_password(
    made_secrets: Path, tmp_path: Path
) -> None:
    text = (ROOT / "docker/valkey/broker.conf").read_text("utf-8")
    shutil.copy(made_secrets / "valkey_broker.conf", tmp_path / "auth.conf")
    (tmp_path / "valkey.conf").write_text(
        text.replace("/run/secrets/valkey_broker.conf", "auth.conf"), "utf-8"
    )
    (port,) = ports.choose_ports(1)
    server = subprocess.Popen(
        [binaries.from_wheels().valkey, "valkey.conf", "--port", str(port), "--bind", "127.0.0.1"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    try:
        password = (made_secrets / "valkey_broker_password").read_text()
        valkey.wait_until_it_answers(server, port, password)
        assert not valkey.answers(port, "another")
    finally:
        server.terminate()
        server.wait()


def test_the_telemetry_door_opens_on_this_postgres() -> None:
    settings = _postgres_settings()
    assert settings["fsync"] == "on"
    assert settings["synchronous_commit"] == "on"
    assert settings["password_encryption"] == "scram-sha-256"


def _postgres_settings() -> dict[str, str]:
    text = (ROOT / "docker/postgres/postgresql.conf").read_text("utf-8")
    return {
        key: value.strip("'") for key, value in re.findall(r"(?m)^(\w+) = ('[^']*'|\S+)$", text)
    }


@contextlib.contextmanager
def _fresh_cluster(superuser_password: str) -> Iterator[int]:
    """Lay a cluster out and run it with the options and the file of Compose; yield its port."""
    directory = Path(tempfile.mkdtemp(prefix="msp-compose-"))
    account = accounts.server_account(directory)
    if account:  # as root the server runs as somebody who must be able to get here
        directory.chmod(0o711)
        accounts.SYSTEM_BASE.mkdir(mode=0o755, exist_ok=True)
    programs = binaries.copied(accounts.SYSTEM_BASE) if account else binaries.from_wheels()
    data, password, file = directory / "data", directory / "password", directory / "file.conf"
    data.mkdir(mode=0o700)
    password.write_text(superuser_password, "utf-8")
    shutil.copy(ROOT / "docker/postgres/postgresql.conf", file)
    file.chmod(0o644)
    if account:
        for path in (data, password):
            os.chown(path, account.named_uid, account.named_gid)
    options = SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    words = [str(programs.initdb), "-D", str(data), "-U", "postgres", f"--pwfile={password}"]
    words += [*options, "--no-sync"]
    named = (account.named_uid, account.named_gid) if account else (None, None)
    subprocess.run(
        launch.command(words, death="KILL", uid=named[0], gid=named[1], cwd="/", clean=True),
        capture_output=True,
        check=True,
    )
    if account:
        accounts.give(data, account.uid, account.gid, owned_by=account.named_uid)
    (port,) = ports.choose_ports(1)
    words = [str(programs.postgres), "-D", str(data), "-c", f"config_file={file}", "-p", str(port)]
    # What a test changes: no door but loopback, and less memory.
    words += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    words += ["-c", "shared_buffers=16MB"]
    run_as = (account.uid, account.gid) if account else (None, None)
    server = subprocess.Popen(
        launch.command(words, death="INT", uid=run_as[0], gid=run_as[1], cwd="/", clean=True),
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(psycopg2.OperationalError):
                _connect(f"postgres://postgres:{superuser_password}@127.0.0.1:{port}/postgres")
                break
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()
        shutil.rmtree(directory)


def _connect(address: str) -> list[Any]:
    """Sign in and return what the server says of this login and of the database `msp`."""
    connection = psycopg2.connect(address)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication "
                "OR rolbypassrls, rolinherit, has_schema_privilege('public', 'CREATE'), "
                "datlocprovider, datlocale, rolpassword "
                "FROM pg_roles, pg_database WHERE rolname = current_user AND datname = 'msp'"
            )
            return list(cursor.fetchall())
    finally:
        connection.close()


def test_a_fresh_cluster_gets_the_three_logins_of_a_trial(made_secrets: Path) -> None:
    superuser = (made_secrets / "postgres_password").read_text()
    script = (ROOT / "docker/postgres/init-logins.sql").read_text("utf-8")
    script = script.replace(f"cat {SECRETS}", f"cd '{made_secrets}' && cat ")
    program = binaries.from_wheels().postgres.parent / "psql"
    psql = [program, "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-h", "127.0.0.1"]
    with _fresh_cluster(superuser) as port:
        done = subprocess.run(
            [*psql, "-p", str(port), "-U", "postgres", "-d", "postgres", "-f", "-"],
            env={"PATH": os.environ["PATH"], "PGPASSWORD": superuser},
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        rights = {}
        for file in ("database_url", "database_owner_url", "database_ingest_url"):
            address = (made_secrets / file).read_text()
            ((login, *rest),) = _connect(address.replace("postgres:5432", f"127.0.0.1:{port}"))
            rights[login] = tuple(rest[:-1])
    # Special rights, inherits, may create in the schema; then the database's byte order.
    assert rights == {
        postgres.OWNER: (False, True, True, "b", "C.UTF-8"),
        postgres.APP: (False, False, False, "b", "C.UTF-8"),
        postgres.INGEST: (False, False, False, "b", "C.UTF-8"),
    }


# ---------------------------------------------------------------- the proxy and the health check


def test_the_proxy_passes_everything_to_the_port_that_web_listens_on() -> None:
    upstream = re.findall(r"reverse_proxy (\S+)", CADDYFILE)
    port = next(w for w in SERVICES["web"]["command"] if w.startswith("--port=")).split("=")[1]
    assert upstream == [f"web:{port}"]
    assert re.search(r"(?m)^\{\$MSP_HOST\} \{$", CADDYFILE)
    assert SERVICES["caddy"]["environment"]["MSP_HOST"] == ANSWERS["MSP_HOST"]
    assert "edge" in SERVICES["web"]["networks"]


def test_the_proxy_leaves_it_to_the_telemetry_door_to_refuse_a_large_report() -> None:
    """A refusal by the proxy is a 502 to the agent, which would then send the same for ever."""
    assert f"@telemetry path {PATH}\n" in CADDYFILE
    limit = re.search(r"request_body @telemetry \{\s+max_size (\d+)MiB", CADDYFILE)
    assert limit
    assert wire.MAX_COMPRESSED < int(limit[1]) << 20 <= 2 * wire.MAX_COMPRESSED


def test_the_logs_of_the_proxy_hold_no_password_link() -> None:
    rule = re.search(r"request>uri regexp (\S+)", CADDYFILE)
    assert rule
    for path in (
        "/accounts/password/reset/key/1-abc-def/",
        "/accounts/password/reset/key/1-x/?n=1",
    ):
        assert resolve(path.split("?")[0]).url_name == "account_reset_password_from_key"
        assert "1-" not in re.sub(rule[1], r"\1...", path)


class _Door(http.server.BaseHTTPRequestHandler):
    """Answers as the platform would: only to its own name, and badly when told so."""

    status = 200
    seen: ClassVar[list[tuple[str, str | None, str | None]]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Host"], self.headers["X-Forwarded-Proto"]))
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (400, False)])
def test_the_health_check_asks_an_address_that_exists(status: int, healthy: bool) -> None:
    _Door.status = status
    _Door.seen.clear()
    with http.server.HTTPServer(("127.0.0.1", 0), _Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert healthcheck.is_healthy("https://desk.example", server.server_port) is healthy
        server.shutdown()
    ((path, host, scheme),) = _Door.seen
    assert resolve(path).url_name == "healthz"
    assert (host, scheme) == ("desk.example", "https")


def test_the_health_check_fails_where_nobody_listens() -> None:
    (port,) = ports.choose_ports(1)
    assert not healthcheck.is_healthy("https://desk.example", port)
    words = SERVICES["web"]["healthcheck"]["test"]
    assert words[:2] == ["CMD", "python"]
    assert (ROOT / words[2]).is_file()
    assert words[2] in DOCKERFILE
