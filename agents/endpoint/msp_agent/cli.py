"""The commands: enrol, run, status, collect, hardware."""

import argparse
import contextlib
import json
import math
import random
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msp_agent import __version__, log
from msp_agent.clock import Clock
from msp_agent.collectors import all_collectors
from msp_agent.config import ROLES, AgentConfig, ConfigError, load_config
from msp_agent.enrol import EnrolmentRefused, enrol
from msp_agent.files import forget, held, private_dir, write_atomic
from msp_agent.hardware import guess_role, read_hardware
from msp_agent.identity import (
    Identity,
    IdentityUnreadable,
    load_identity,
    load_or_make_key,
)
from msp_agent.log import logger
from msp_agent.run import SPOOL_FILE, Agent
from msp_agent.sampler import Sampler
from msp_agent.sender import BACKOFF_CAP_SECONDS, Backoff
from msp_agent.shutdown import StopSignal
from msp_agent.spool import LIVE
from msp_agent.status import as_json, as_text, read_status
from msp_agent.transport import NoAnswer, Transport

# Source: sysexits.h. systemd does not restart on 78: only a person can mend it.
EXIT_OK, EXIT_FAILED, EXIT_BUSY, EXIT_CONFIG = 0, 1, 75, 78
LOCK_FILE = "lock"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
COLLECT_TIMEOUT_SECONDS = 60.0
PUBLIC_FILE_MODE = 0o644


class AlreadyRunning(Exception):
    """Another agent works in the same state directory."""


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    log.set_up(verbose=arguments.verbose)
    try:
        config = load_config(
            arguments.config,
            overrides={
                "server": arguments.server,
                "state_dir": arguments.state_dir,
                "ca_file": arguments.ca_file,
                "token_file": getattr(arguments, "token_file", None),
                "name": getattr(arguments, "name", None),
                "role": getattr(arguments, "role", None),
                "interval_seconds": getattr(arguments, "interval", None),
            },
        )
        return int(arguments.command(config, arguments))
    except (ConfigError, IdentityUnreadable, ValueError) as error:
        logger.error("%s", error)
        return EXIT_CONFIG
    except AlreadyRunning as error:
        logger.error("%s", error)
        return EXIT_BUSY
    except (OSError, sqlite3.Error) as error:
        logger.error("%s", error)
        return EXIT_FAILED


def enrol_command(config: AgentConfig, arguments: argparse.Namespace) -> int:
    """Enrol once and say how it went."""
    token = arguments.token or _token(config)
    if not token:
        raise ConfigError("enrol needs --token or --token-file")
    with _sole_agent(config.state_dir):
        if load_identity(config.state_dir) is not None and not arguments.again:
            raise ConfigError("this machine is enrolled; --again enrols it anew")
        try:
            identity = _enrol(config, token, Clock())
        except (NoAnswer, EnrolmentRefused) as error:
            logger.error("not enrolled: %s", error)
            return EXIT_FAILED
    print(f"device {identity.device} ({identity.status})")
    return EXIT_OK


def run_command(config: AgentConfig, arguments: argparse.Namespace) -> int:
    """Report until stopped; enrol first if there is no identity and there is a token."""
    stop = StopSignal()
    stop.install()
    with _sole_agent(config.state_dir):
        clock = Clock()
        identity = load_identity(config.state_dir)
        if identity is None:
            try:
                identity = _enrol_patiently(config, stop, clock)
            except EnrolmentRefused as error:
                logger.error("not enrolled: %s", error)
                return EXIT_CONFIG
        elif config.token_file is not None:
            _forget_token(config.token_file)  # left behind by a crash right after enrolment
        if identity is None:
            return EXIT_OK
        key = load_or_make_key(config.state_dir)
        Agent(config, identity=identity, key=key, stop=stop, clock=clock).run()
    return EXIT_OK


def status_command(config: AgentConfig, arguments: argparse.Namespace) -> int:
    """Say who this device is and how its reporting goes."""
    status = read_status(load_identity(config.state_dir), config.state_dir / SPOOL_FILE)
    print(as_json(status) if arguments.json else as_text(status))
    return EXIT_OK


def collect_command(config: AgentConfig, arguments: argparse.Namespace) -> int:
    """Print one sample: what would be reported now."""
    trouble: list[dict[str, Any]] = []
    sampler = Sampler(
        all_collectors(volumes_include=config.volumes_include, services=config.services_watch),
        note=lambda kind, data: trouble.append({"kind": kind, **data}),
    )
    sample = sampler.sample(timeout_seconds=COLLECT_TIMEOUT_SECONDS, is_patient=True)
    rows = [
        {
            "metric": metric,
            "instance": instance,
            "value": None if math.isnan(value) else value,
        }
        for (metric, instance), value in zip(sample.series, sample.values, strict=True)
    ]
    print(json.dumps({"samples": rows, "trouble": trouble}, indent=2))
    return EXIT_OK


def hardware_command(config: AgentConfig, arguments: argparse.Namespace) -> int:
    """Print what identifies this machine, or write it where the unprivileged agent reads it."""
    text = json.dumps({**read_hardware().as_dict(), "role": config.role or guess_role()}, indent=2)
    if arguments.out is None:
        print(text)
    else:
        write_atomic(arguments.out, text.encode(), mode=PUBLIC_FILE_MODE)
    return EXIT_OK


def _enrol_patiently(config: AgentConfig, stop: StopSignal, clock: Clock) -> Identity | None:
    """Enrol with the token file, as long as it takes; None if stopped meanwhile.

    Errors: ConfigError without a token; EnrolmentRefused if asking again is pointless.
    """
    token = _token(config)
    if not token:
        raise ConfigError("not enrolled, and there is no token file to enrol with")
    backoff = Backoff(BACKOFF_CAP_SECONDS[LIVE], random.Random())  # noqa: S311 - spreads load
    last = ""
    while not stop.is_set():
        try:
            return _enrol(config, token, clock)
        except (NoAnswer, EnrolmentRefused) as error:
            if isinstance(error, EnrolmentRefused) and error.is_final:
                raise
            if str(error) != last:
                logger.warning("not enrolled yet: %s", error)
                last = str(error)
        stop.wait(backoff.next())
    return None


def _enrol(config: AgentConfig, token: str, clock: Clock) -> Identity:
    if not config.server:
        raise ConfigError("no server: give --server or set it in agent.toml")
    url = urlsplit(config.server)
    if url.scheme == "http" and url.hostname not in LOOPBACK:
        logger.warning("the server's URL is not https: anyone on the way can read the token")
    transport = Transport(config.server, ca_file=config.ca_file)
    try:
        identity, _ = enrol(
            transport,
            server=config.server,
            token=token,
            state_dir=config.state_dir,
            role=config.role or guess_role(),
            clock=clock,
            name=config.name,
        )
    finally:
        transport.close()
    logger.info("enrolled as device %s (%s)", identity.device, identity.status)
    if config.token_file is not None:
        _forget_token(config.token_file)
    return identity


def _token(config: AgentConfig) -> str | None:
    if config.token_file is None:
        return None
    try:
        return config.token_file.read_text().strip("\0 \t\r\n") or None
    except FileNotFoundError:
        return None


def _forget_token(path: Path) -> None:
    if not forget(path):
        logger.warning("the token file %s could not be deleted: please delete it", path)


@contextlib.contextmanager
def _sole_agent(state_dir: Path) -> Iterator[None]:
    """Hold the state directory: two agents on one spool would send under each other's numbers."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held(private_dir(state_dir) / LOCK_FILE))
        except BlockingIOError as error:
            raise AlreadyRunning(f"another agent is running in {state_dir}") from error
        yield


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", type=Path, help="agent.toml (default: /etc/msp-agent/agent.toml)"
    )
    common.add_argument("--state-dir", type=Path, help="where key, identity and spool lie")
    common.add_argument("--server", help="https://msp.example")
    common.add_argument("--ca-file", type=Path, help="trust these CAs instead of the system's")
    common.add_argument("-v", "--verbose", action="store_true")
    joining = argparse.ArgumentParser(add_help=False)
    joining.add_argument("--token-file", type=Path, help="holds the token; deleted after use")
    joining.add_argument("--name", help="what to call this device (default: its host name)")
    joining.add_argument("--role", choices=ROLES, help="default: a guess by chassis and desktop")

    parser = argparse.ArgumentParser(prog="msp-agent", description="Measure, keep and report.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="command")

    enrol_parser = commands.add_parser("enrol", parents=[common, joining], help="join once")
    enrol_parser.add_argument(
        "--token", help="visible to other users of this machine: prefer a file"
    )
    enrol_parser.add_argument("--again", action="store_true", help="even if already enrolled")
    enrol_parser.set_defaults(command=enrol_command)

    run_parser = commands.add_parser("run", parents=[common, joining], help="report until stopped")
    run_parser.add_argument("--interval", type=float, help="seconds between samples")
    run_parser.set_defaults(command=run_command)

    status_parser = commands.add_parser("status", parents=[common], help="how reporting goes")
    status_parser.add_argument("--json", action="store_true")
    status_parser.set_defaults(command=status_command)

    collect_parser = commands.add_parser("collect", parents=[common], help="print one sample")
    collect_parser.set_defaults(command=collect_command)

    hardware_parser = commands.add_parser(
        "hardware", parents=[common], help="print what identifies this machine"
    )
    hardware_parser.add_argument("--out", type=Path, help="write it to a file instead")
    hardware_parser.set_defaults(command=hardware_command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
