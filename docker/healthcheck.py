"""Exit with 0 if the web process of this container answers that it is well.

Host and scheme are those of PUBLIC_URL, since the platform answers to no other name. Only the
standard library.
"""

import http.client
import os
import sys
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 5


def is_healthy(public_url: str, port: int = 8000) -> bool:
    """Return whether /healthz answers 200, which takes database and broker."""
    public = urlsplit(public_url)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        headers = {"Host": public.netloc, "X-Forwarded-Proto": public.scheme}
        connection.request("GET", "/healthz", headers=headers)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_healthy(os.environ["PUBLIC_URL"]) else 1)
