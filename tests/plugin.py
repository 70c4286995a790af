"""Start real servers before Django reads its settings; loaded by `-p tests.plugin`.

Where DATABASE_URL is set, those servers are used. Otherwise the main pytest process starts an
embedded PostgreSQL and two Valkeys, which its xdist workers share through the environment; each
worker makes a database of its own.
"""

from __future__ import annotations

import atexit
import os
from urllib.parse import urlsplit

#: Databases of a Valkey or Redis as it comes.
CACHES = 16

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "msp.settings.test")

if not os.environ.get("DATABASE_URL"):
    from msp.embedded import ephemeral

    _services = ephemeral.start()
    atexit.register(_services.stop)
    os.environ.update(_services.env)

# Workers share the cache's server, and their databases hand out the same keys: each worker takes a
# cache of its own, or it would read what another's test has counted.
if _worker := os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw"):
    _address = urlsplit(os.environ["CACHE_URL"])
    os.environ["CACHE_URL"] = _address._replace(path=f"/{int(_worker) % CACHES}").geturl()
