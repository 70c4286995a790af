"""Run a command with the environment of the running `make run`.

    python -m msp.embedded.inside [--var DIR] -- CMD...

For a second terminal: management commands, a shell, another worker.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from .layout import ENVIRONMENT_FILE, REPOSITORY, layout_for


def main() -> NoReturn:
    """Become the command, or exit with 1 when nothing runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--var", type=Path, default=REPOSITORY / "var")
    parser.add_argument("argv", nargs="+")
    options = parser.parse_args()
    try:
        text = (layout_for(options.var).run / ENVIRONMENT_FILE).read_text(encoding="utf-8")
    except OSError:
        sys.exit("Nothing runs here. Start it in another terminal: make run")
    program = shutil.which(options.argv[0]) or options.argv[0]
    os.execve(program, options.argv, {**os.environ, **json.loads(text)})


if __name__ == "__main__":
    main()
