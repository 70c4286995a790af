"""What `msp-agent status` says. It reads beside a running agent and changes nothing."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msp_agent import __version__
from msp_agent.identity import Identity
from msp_agent.spool import LANES

FACTS = (
    "epoch",
    "next_seq",
    "last_ack",
    "last_error",
    "last_error_at",
    "clock_offset",
    "interval",
)


def read_status(identity: Identity | None, spool_path: Path) -> dict[str, Any]:
    """Return identity, depth per lane, last acknowledgement, last error and clock offset.

    Errors: sqlite3.Error if there is a spool that cannot be read.
    """
    status: dict[str, Any] = {
        "agent_version": __version__,
        "identity": None
        if identity is None
        else {
            "server": identity.server,
            "device": identity.device,
            "key_id": identity.key_id,
            "status": identity.status,
        },
        "spool": None,
    }
    if not spool_path.exists():
        return status
    db = sqlite3.connect(f"{spool_path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
    try:
        facts = dict(db.execute("SELECT key, value FROM meta"))
        depth = dict(db.execute("SELECT lane, count(*) FROM item GROUP BY lane"))
        lost = db.execute("SELECT coalesce(sum(count), 0) FROM lost").fetchone()[0]
        aside = db.execute("SELECT count(*) FROM aside").fetchone()[0]
    finally:
        db.close()
    status["spool"] = {
        "depth": {name: depth.get(lane, 0) for lane, name in enumerate(LANES)},
        "lost": lost,
        "set_aside": aside,
        "bytes": spool_path.stat().st_size,
    }
    return status | {name: facts.get(name) for name in FACTS}


def as_text(status: dict[str, Any]) -> str:
    """Return the status for a person at a terminal."""
    identity, spool = status["identity"], status["spool"]
    lines = [f"msp-agent {status['agent_version']}"]
    if identity is None:
        lines.append("not enrolled")
    else:
        lines += [
            f"device      {identity['device']} ({identity['status']})",
            f"server      {identity['server']}",
        ]
    if spool is not None:
        waiting = ", ".join(f"{name} {count}" for name, count in spool["depth"].items())
        error = status["last_error"]
        when = _moment(status["last_error_at"])
        lines += [
            f"waiting     {waiting}",
            f"lost        {spool['lost']} not yet reported; {spool['set_aside']} batches set aside",
            f"last stored {_moment(status['last_ack']) or 'never'}",
            f"last error  {error} ({when})" if error else "last error  none",
            f"clock       {status['clock_offset'] or 0:+d} ms to the server",
        ]
    return "\n".join(lines)


def as_json(status: dict[str, Any]) -> str:
    """Return the status for a program."""
    return json.dumps(status, indent=2)


def _moment(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%F %T UTC")
