"""What `make run` runs: the servers, the steps in between, the programs.

The runner takes a plan as a value, so its tests bring small programs of their own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from . import launch, postgres, valkey
from .accounts import server_account
from .binaries import copied, from_wheels
from .layout import REPOSITORY, Layout
from .ports import remembered_ports
from .secret_files import make_secrets
from .supervised import APPS, SERVERS, Program

UVICORN_GRACE_SECONDS = 4  # below the supervisor's 5
WORKER_PROCESSES = 2


@dataclass(frozen=True)
class Address:
    """Where the web process listens, and how the world reaches it."""

    bind: str
    port: int
    public_url: str


@dataclass(frozen=True)
class Step:
    """A command that runs to its end before the programs start."""

    name: str
    title: str
    words: list[str]


@dataclass(frozen=True)
class Server:
    """A server and the question whether it answers yet."""

    program: Program
    title: str
    answers: Callable[[], bool]


@dataclass(frozen=True)
class Plan:
    """Everything the runner starts, in its order: servers, steps, programs, agent."""

    environment: Mapping[str, str]
    steps: list[Step]
    programs: list[Program]
    servers: list[Server] = field(default_factory=list)
    agent: Program | None = None
    #: True once this machine's first report is stored.
    agent_reported: Callable[[], bool] = bool


def real_plan(layout: Layout, address: Address, say: Callable[[str], None]) -> Plan:
    """Prepare the servers' data and return the plan of the real product.

    Servers whose address is in the environment (DATABASE_URL, REDIS_URL, CACHE_URL) are not ours.

    Errors: ClusterError, WheelMissing, OSError.
    """
    environment = product_environment(layout, address)
    servers = embedded_servers(layout, environment, say)
    manage = [sys.executable, str(REPOSITORY / "manage.py")]
    token = str(layout.agent / "token")
    seed = ["seed_demo", "--if-empty", "--signins", str(layout.signins)]
    steps = [
        Step("setup_database", "Database: migrations and grants", [*manage, "setup_database"]),
        Step("seed_demo", "Demo data", [*manage, *seed, "--agent-token-file", token]),
    ]
    uvicorn = [sys.executable, "-m", "uvicorn", "msp.asgi:application", "--no-access-log"]
    uvicorn += ["--host", address.bind, "--port", str(address.port)]
    uvicorn += ["--timeout-graceful-shutdown", str(UVICORN_GRACE_SECONDS)]
    celery = ["celery", "-A", "msp.celery"]
    worker = [sys.executable, "-m", "msp.embedded.prefork", *celery, "worker"]
    worker += ["--concurrency", str(WORKER_PROCESSES)]
    beat = [sys.executable, "-m", *celery, "beat", "--pidfile="]
    beat += ["--schedule", str(layout.private / "beat" / "schedule")]
    programs = [
        app("web", uvicorn),
        # A killed worker loses no task, so it does not outlive its supervisor to finish one.
        app("worker", worker, death="KILL"),
        app("beat", beat),
    ]
    state = layout.agent / "state"
    run = ["run", "--server", address.public_url, "--token-file", token]
    before = _last_report(state)
    return Plan(
        environment=environment,
        servers=servers,
        steps=steps,
        programs=programs,
        agent=Program("agent", APPS, _agent_command([*run, "--state-dir", str(state)])),
        agent_reported=lambda: _last_report(state) != before,
    )


def app(
    name: str, argv: list[str], *, death: str = "TERM", variables: Mapping[str, str] | None = None
) -> Program:
    """Return one of our own programs, run in the checkout and gone with the supervisor."""
    words = launch.command(argv, death=death, cwd=str(REPOSITORY), variables=variables)
    return Program(name, APPS, words)


def product_environment(layout: Layout, address: Address) -> dict[str, str]:
    """Return the environment of the programs, without the servers' addresses."""
    environment = {
        **os.environ,
        "MSP_EMBEDDED": "true",
        "VAR_DIR": str(layout.private),
        "PUBLIC_URL": address.public_url,
        "PORT": str(address.port),
        "BIND": address.bind,
        "PYTHONUNBUFFERED": "1",
    }
    environment.setdefault("DJANGO_SETTINGS_MODULE", "msp.settings.dev")
    make_secrets(layout.secrets)
    for name in ("SECRET_KEY", "KEY_ENCRYPTION_KEY"):
        if name not in environment:
            environment.setdefault(f"{name}_FILE", str(layout.secrets / name.lower()))
    return environment


def given(name: str, environment: Mapping[str, str]) -> bool:
    """Tell whether a variable is set, by itself or as NAME_FILE."""
    return bool(environment.get(name) or environment.get(f"{name}_FILE"))


def health_request(address: Address) -> tuple[str, dict[str, str]]:
    """Return the host to connect to for /healthz, and the headers to send."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.bind, address.bind)
    public = urlsplit(address.public_url)
    return host, {"Host": public.netloc, "X-Forwarded-Proto": public.scheme}


def embedded_servers(
    layout: Layout, environment: dict[str, str], say: Callable[[str], None]
) -> list[Server]:
    """Prepare the servers that are ours and write their addresses into the environment."""
    wanted_postgres = not given("DATABASE_URL", environment)
    valkeys = {
        name: variable
        for name, variable in ((valkey.BROKER, "REDIS_URL"), (valkey.CACHE, "CACHE_URL"))
        if not given(variable, environment)
    }
    if not wanted_postgres and not valkeys:
        return []
    directory = layout.servers
    account = server_account(directory)
    binaries = copied(directory.parent) if account else from_wheels()
    secrets = make_secrets(layout.secrets)
    ports = remembered_ports(layout.private / "ports.json", ("postgres", *valkeys))
    servers: list[Server] = []
    if wanted_postgres:
        if not (directory / "postgres").is_dir():
            say("Database: laying it out")
        postgres.create_cluster(directory, binaries, account, secrets)
        postgres.write_configuration(directory)
        port = ports["postgres"]
        for variable, login in (
            ("DATABASE_URL", postgres.APP),
            ("DATABASE_OWNER_URL", postgres.OWNER),
            ("DATABASE_INGEST_URL", postgres.INGEST),
        ):
            environment[variable] = postgres.database_url(login, secrets[login], port)
        words = postgres.server_command(directory, binaries, account, port)
        servers.append(
            Server(
                Program("postgres", SERVERS, words, stop_signal="INT"),
                "PostgreSQL",
                partial(postgres.answers, port, secrets[postgres.APP]),
            )
        )
    for name, variable in valkeys.items():
        valkey_port, password = ports[name], secrets[name.replace("-", "_")]
        valkey.write_configuration(directory, name, account, valkey_port, password)
        environment[variable] = valkey.url(password, valkey_port)
        words = valkey.server_command(directory, name, binaries, account)
        servers.append(
            Server(
                Program(name, SERVERS, words),
                name.replace("-", " ").capitalize(),
                partial(valkey.answers, valkey_port, password),
            )
        )
    return servers


def _agent_command(arguments: list[str]) -> list[str]:
    """Return a command line of the agent, which sees neither our environment nor Django."""
    endpoint = str(REPOSITORY / "agents" / "endpoint")
    return launch.command(
        [sys.executable, "-m", "msp_agent", *arguments],
        cwd=endpoint,
        clean=True,
        variables={"PYTHONPATH": endpoint, "PYTHONUNBUFFERED": "1"},
    )


def _last_report(state: Path) -> int | None:
    """Return when the server last stored a report of this machine (ms, the agent's clock)."""
    if not state.is_dir():
        return None
    words = _agent_command(["status", "--json", "--state-dir", str(state)])
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    try:
        moment = json.loads(done.stdout).get("last_ack")
    except ValueError:
        return None
    return int(moment) if moment is not None else None
