"""What the agent is told: a TOML file, the environment, the command line, later ones winning."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msp_agent.breach import Limits
from msp_agent.collectors.services import UNIT_NAME

INTERVAL_VARIABLE = "MSP_AGENT_INTERVAL_SECONDS"
DEFAULT_CONFIG = Path("/etc/msp-agent/agent.toml")
DEFAULT_STATE_DIR = Path("/var/lib/msp-agent")
DEFAULT_INTERVAL_SECONDS = 60.0
MIN_INTERVAL_SECONDS = 0.2
MAX_INTERVAL_SECONDS = 3600.0
DEFAULT_SPOOL_MB = 64
MIN_SPOOL_MB = 1
DEFAULT_BACKLOG_PER_SECOND = 2.0
DEFAULT_CHECK_SECONDS = 10.0
ROLES = ("server", "workstation")

TABLES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "": {
        "server": str,
        "ca_file": str,
        "state_dir": str,
        "token_file": str,
        "name": str,
        "role": str,
        "interval_seconds": (int, float),
    },
    "volumes": {"include": list},
    "services": {"watch": list},
    "push": {
        "check_seconds": (int, float),
        "volume_used": (int, float),
        "volume_free_gib": (int, float),
        "memory_used": (int, float),
    },
    "spool": {"max_megabytes": int, "backlog_batches_per_second": (int, float)},
}


class ConfigError(Exception):
    """The configuration is wrong; the message says where and how."""


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """Everything the agent can be told.

    `interval_seconds` None: what the server says. `check_seconds`: how often the agent looks for
    breaches between samples; 0: never.
    """

    server: str | None = None
    state_dir: Path = DEFAULT_STATE_DIR
    ca_file: Path | None = None
    token_file: Path | None = None
    name: str | None = None
    role: str | None = None
    interval_seconds: float | None = None
    volumes_include: tuple[str, ...] = ()
    services_watch: tuple[str, ...] = ()
    check_seconds: float = DEFAULT_CHECK_SECONDS
    push: Limits = field(default_factory=Limits)
    spool_megabytes: int = DEFAULT_SPOOL_MB
    backlog_per_second: float = DEFAULT_BACKLOG_PER_SECOND


def load_config(
    path: Path | None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> AgentConfig:
    """Return the configuration; `path` None means the default file, which may be absent.

    Errors: ConfigError.
    """
    values = _from_file(path)
    if text := environ.get(INTERVAL_VARIABLE):
        try:
            values["interval_seconds"] = float(text)
        except ValueError as error:
            raise ConfigError(f"{INTERVAL_VARIABLE}: not a number") from error
    values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    config = AgentConfig(**values)
    interval = config.interval_seconds
    if interval is not None and not MIN_INTERVAL_SECONDS <= interval <= MAX_INTERVAL_SECONDS:
        raise ConfigError(
            f"interval: between {MIN_INTERVAL_SECONDS} and {MAX_INTERVAL_SECONDS:.0f} seconds"
        )
    if config.role not in (None, *ROLES):
        raise ConfigError(f"role: one of {', '.join(ROLES)}")
    for unit in config.services_watch:
        if not UNIT_NAME.fullmatch(unit):
            raise ConfigError(f"services.watch: {unit!r} is not a unit (say nginx.service)")
    if config.check_seconds and config.check_seconds < 1:
        raise ConfigError("push.check_seconds: at least 1, or 0 for never")
    for name in ("volume_used", "memory_used"):
        if not 0 < getattr(config.push, name) <= 1:
            raise ConfigError(f"push.{name}: above 0, at most 1")
    if config.spool_megabytes < MIN_SPOOL_MB:
        raise ConfigError(f"spool.max_megabytes: at least {MIN_SPOOL_MB}")
    if config.backlog_per_second <= 0:
        raise ConfigError("spool.backlog_batches_per_second: above 0")
    return config


def _from_file(path: Path | None) -> dict[str, Any]:
    try:
        with (path or DEFAULT_CONFIG).open("rb") as file:
            document = tomllib.load(file)
    except FileNotFoundError as error:
        if path is None:
            return {}
        raise ConfigError(f"{path}: no such file") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path or DEFAULT_CONFIG}: {error}") from error
    top = {name: value for name, value in document.items() if not isinstance(value, dict)}
    tables = {name: value for name, value in document.items() if isinstance(value, dict)}
    for table, entries in {"": top, **tables}.items():
        _check_table(table, entries)
    values = dict(top)
    for name in ("state_dir", "ca_file", "token_file"):
        if name in values:
            values[name] = Path(values[name])
    if "include" in tables.get("volumes", {}):
        values["volumes_include"] = tuple(tables["volumes"]["include"])
    if "watch" in tables.get("services", {}):
        values["services_watch"] = tuple(tables["services"]["watch"])
    push = dict(tables.get("push", {}))
    if "check_seconds" in push:
        values["check_seconds"] = float(push.pop("check_seconds"))
    values["push"] = Limits(**push)
    spool = tables.get("spool", {})
    if "max_megabytes" in spool:
        values["spool_megabytes"] = spool["max_megabytes"]
    if "backlog_batches_per_second" in spool:
        values["backlog_per_second"] = spool["backlog_batches_per_second"]
    return values


def _check_table(table: str, entries: Mapping[str, Any]) -> None:
    known = TABLES.get(table)
    if known is None:
        raise ConfigError(f"[{table}]: not a table of this file")
    for name, value in entries.items():
        where = f"{table}.{name}" if table else name
        if name not in known:
            raise ConfigError(f"{where}: not a setting")
        if isinstance(value, bool) or not isinstance(value, known[name]):
            raise ConfigError(f"{where}: wrong type")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{where}: a list of strings")
