"""Whom the servers run as.

PostgreSQL refuses to run as root. We make no account for it: the servers run under a bare
number from a range nobody hands out, so no other program shares it. Only `initdb` insists on
a number with a name; it runs as `daemon`, on a directory that is then given to the number.
"""

import hashlib
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

SYSTEM_BASE = Path("/var/lib/msp-embedded")
# Source: systemd, "Users, Groups, UIDs and GIDs on systemd Systems": unused on purpose, and
# below 65536, so that it also exists inside most containers.
FIRST_UID, LAST_UID = 60578, 61183
NAMED_ACCOUNTS = ("daemon", "nobody")


@dataclass(frozen=True)
class Account:
    """The number the servers run under, and the named one that lays the database out."""

    uid: int
    gid: int
    named_uid: int
    named_gid: int


def server_account(directory: Path) -> Account | None:
    """Return the account for the servers whose data lie in `directory`; None unless we are root.

    A directory that exists keeps its owner.
    """
    if os.geteuid() != 0:
        return None
    named = _named_account()
    uid = _uid_for(directory)
    if uid is None:
        return Account(named.pw_uid, named.pw_gid, named.pw_uid, named.pw_gid)
    return Account(uid, uid, named.pw_uid, named.pw_gid)


def give(top: Path, uid: int, gid: int, *, owned_by: int) -> None:
    """Give a tree to an account; what does not belong to `owned_by` is refused, links stay links.

    Errors: PermissionError when something else got into the tree.
    """
    for path in [top, *top.rglob("*")]:
        status = path.lstat()
        if status.st_uid != owned_by or (status.st_nlink > 1 and not path.is_dir()):
            raise PermissionError(f"{path} is not ours")
        os.chown(path, uid, gid, follow_symlinks=False)


def _named_account() -> pwd.struct_passwd:
    for name in NAMED_ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError(
        "PostgreSQL does not run as root, and this machine has no account named daemon or nobody."
        " Start as an ordinary user instead."
    )


def _uid_for(directory: Path) -> int | None:
    data = directory / "postgres"
    if data.is_dir():
        return data.stat().st_uid
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    if SYSTEM_BASE.is_dir():
        taken |= {path.stat().st_uid for path in SYSTEM_BASE.glob("*/postgres")}
    count = LAST_UID - FIRST_UID + 1
    start = int.from_bytes(hashlib.sha256(os.fsencode(directory)).digest()[:4], "big")
    for step in range(count):
        uid = FIRST_UID + (start + step) % count
        if uid not in taken and _is_mapped(uid):
            return uid
    return None


def _is_mapped(uid: int) -> bool:
    """Tell whether this container knows the number; outside Linux every number is known."""
    try:
        lines = Path("/proc/self/uid_map").read_text().splitlines()
    except OSError:
        return True
    ranges = [[int(word) for word in line.split()] for line in lines]
    return any(first <= uid < first + count for first, _, count in ranges)
