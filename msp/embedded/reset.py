"""Throw away the data of this checkout's `make run`: database, secrets, sign-ins, logs."""

import argparse
import fcntl
import os
import shutil
import sys
from pathlib import Path

from .layout import REPOSITORY, layout_for


def main() -> int:
    """Remove the data unless something runs on them; say what was removed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--var", type=Path, default=REPOSITORY / "var")
    layout = layout_for(parser.parse_args().var)
    if (layout.run / "lock").exists():
        lock = os.open(layout.run / "lock", os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("It is running; stop it first.", file=sys.stderr)
            return 1
    for directory in dict.fromkeys((layout.servers, layout.var)):
        if directory.exists():
            shutil.rmtree(directory)
            print(f"removed {directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
