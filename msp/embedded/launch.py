"""Become another program, one that dies with its parent.

    python -IS launch.py [--death TERM] [--uid N --gid N] [--cwd DIR] [--clean]
              [--set NAME=VALUE]... -- PROGRAM ARG...

The parent's death is seen by the kernel (PR_SET_PDEATHSIG), so it works for SIGKILL too. The
kernel forgets the wish when the user id changes, hence the order below: first the account,
then the wish, then exec. Only the standard library: this file runs without site-packages.
"""

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Mapping

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def prctl(option: int, value: int) -> None:
    """Set a property of this process; do nothing where the kernel is not Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def die_with_parent(signum: int, parent: int | None = None) -> None:
    """Have the kernel send `signum` to this process when the parent thread ends.

    `parent` is the expected parent: if it has gone already, the signal is sent at once.
    """
    prctl(PR_SET_PDEATHSIG, signum)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signum)


def command(
    argv: list[str],
    *,
    death: str = "TERM",
    uid: int | None = None,
    gid: int | None = None,
    cwd: str | None = None,
    parent: int | None = None,
    clean: bool = False,
    variables: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the command line that launches `argv` through this file."""
    words = [sys.executable, "-IS", os.path.abspath(__file__), "--death", death]
    if uid is not None:
        words += ["--uid", str(uid), "--gid", str(uid if gid is None else gid)]
    if cwd is not None:
        words += ["--cwd", cwd]
    if parent is not None:
        words += ["--parent", str(parent)]
    if clean:
        words += ["--clean"]
    for name, value in (variables or {}).items():
        words += ["--set", f"{name}={value}"]
    return [*words, "--", *argv]


def main() -> None:
    """Change account and directory, ask to die with the parent, and exec."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--death", default="TERM")
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--cwd")
    parser.add_argument("--parent", type=int)
    parser.add_argument("--clean", action="store_true", help="pass on no environment")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("argv", nargs="+")
    options = parser.parse_args()

    # A shell starts its background jobs with SIGINT ignored, and exec passes that on.
    for name in ("SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGPIPE"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if options.uid is not None:
        os.umask(0o077)
        os.setgroups([])
        os.setgid(options.gid)
        os.setuid(options.uid)
    die_with_parent(getattr(signal, f"SIG{options.death}"), options.parent)
    if options.cwd is not None:
        os.chdir(options.cwd)
    environment = dict(os.environ)
    if options.clean:
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    environment.update(word.split("=", 1) for word in options.set)
    os.execvpe(options.argv[0], options.argv, environment)


if __name__ == "__main__":
    main()
