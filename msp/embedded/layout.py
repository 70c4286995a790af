"""Which directory holds what.

    var/log, var/run      logs; lock, generated configuration (always in the checkout)
    private               secrets, sign-ins, agent state, mail: mode 0700
    servers               the cluster and the servers' configuration

As an ordinary user `private` and `servers` are `var/` itself. As root the servers run under
another account, which may not be able to enter the checkout; so both lie in
/var/lib/msp-embedded/<hash of var's path>, and no other directory changes its mode.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from .accounts import SYSTEM_BASE

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT_FILE = "environment.json"


@dataclass(frozen=True)
class Layout:
    """The directories of one installation."""

    var: Path
    private: Path
    servers: Path

    @property
    def log(self) -> Path:
        """Return the directory of the logs."""
        return self.var / "log"

    @property
    def run(self) -> Path:
        """Return the directory of the lock and of what is generated at every start."""
        return self.var / "run"

    @property
    def secrets(self) -> Path:
        """Return the directory of the secrets."""
        return self.private / "secrets"

    @property
    def signins(self) -> Path:
        """Return the file with the demo's sign-ins."""
        return self.private / "signins.json"

    @property
    def agent(self) -> Path:
        """Return the directory of this machine's agent: `token` and `state/`."""
        return self.private / "agent"

    def make(self) -> None:
        """Make the directories.

        Errors: OSError.
        """
        for path in (self.var, self.log, self.run):
            _private_directory(path)
        if self.servers != self.var:
            SYSTEM_BASE.mkdir(mode=0o755, exist_ok=True)
            self.servers.mkdir(mode=0o711, exist_ok=True)
            self.servers.chmod(0o711)
            made_for = self.servers / "made-for"
            made_for.write_text(f"{self.var}\n", encoding="utf-8")
            made_for.chmod(0o600)
        for path in (self.private, self.secrets, self.agent, self.private / "beat"):
            _private_directory(path)


def layout_for(var: Path) -> Layout:
    """Return the directories for an installation whose `var/` is given."""
    var = var.resolve()
    if os.geteuid() != 0:
        return Layout(var=var, private=var, servers=var)
    base = SYSTEM_BASE / hashlib.sha256(os.fsencode(var)).hexdigest()[:16]
    return Layout(var=var, private=base / "private", servers=base)


def _private_directory(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
