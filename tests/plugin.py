"""Start real servers before Django reads its settings; loaded by `-p tests.plugin`.

Where DATABASE_URL is set, those servers are used. Otherwise the main pytest process starts an
embedded PostgreSQL and two Valkeys, which its xdist workers share through the environment; each
worker makes a database of its own.
"""

from __future__ import annotations

import atexit
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msp.settings.test")

if not os.environ.get("DATABASE_URL"):
    from msp.embedded import ephemeral

    _services = ephemeral.start()
    atexit.register(_services.stop)
    os.environ.update(_services.env)
