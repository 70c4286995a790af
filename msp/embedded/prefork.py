"""Run a Python module whose forked children die with it.

    python -m msp.embedded.prefork celery -A msp.celery worker

Celery's pool processes outlive a worker killed by SIGKILL; each keeps a connection, and the
next worker starts beside them. Here every fork asks the kernel to be killed with its parent.
"""

import os
import runpy
import signal
import sys

from .launch import die_with_parent


def run_module(name: str, arguments: list[str]) -> None:
    """Run a module as `__main__` in this process."""
    parent = [os.getpid()]

    def before() -> None:
        parent[0] = os.getpid()

    def after_in_child() -> None:
        die_with_parent(signal.SIGKILL, parent[0])

    os.register_at_fork(before=before, after_in_child=after_in_child)
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run_module(sys.argv[1], sys.argv[2:])
