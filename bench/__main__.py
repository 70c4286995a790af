"""Run one benchmark by name and print its result as one JSON line.

Each module ``bench.NAME`` has ``run() -> dict`` whose ``missed`` lists the numbers it did not
reach; the exit status is 1 if there is any, so that ``make bench`` fails with it.
"""

import importlib
import json
import pkgutil
import sys
from pathlib import Path


def names() -> list[str]:
    """List the benchmarks that exist, in alphabetical order."""
    found = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return sorted(name for name in found if not name.startswith("_"))


def main(arguments: list[str]) -> int:
    """Run the benchmark named by the only argument."""
    known = names()
    if len(arguments) != 1 or arguments[0] not in known:
        print(f"usage: python -m bench NAME, one of: {', '.join(known)}", file=sys.stderr)
        return 2
    result = importlib.import_module(f"bench.{arguments[0]}").run()
    print(json.dumps(result, sort_keys=True))
    return 1 if result["missed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
