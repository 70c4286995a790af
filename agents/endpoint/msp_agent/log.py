"""Plain log lines on stderr, one per event.

Callers pass what may be read by anyone who reads the journal: never a token, a key, a request
body or a header.
"""

import logging
import sys

logger = logging.getLogger("msp_agent")


def set_up(*, verbose: bool = False) -> None:
    """Send the agent's log lines to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
