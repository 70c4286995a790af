"""Let `python -m msp_agent` work without an installed script."""

import sys

from msp_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
