"""The one module that imports WeasyPrint, which needs Pango on the machine.

Loaded by name from `billing.pdf` when a document is made, so that web and worker start without it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.contrib.staticfiles import finders
from weasyprint import HTML
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

# Each document would otherwise leave a page of progress in the log.
for _name in ("weasyprint.progress", "fontTools"):
    logging.getLogger(_name).setLevel(logging.WARNING)

#: Where the addresses of a document begin. The name is reserved: no such host can exist (RFC 2606).
BASE_URL = "https://static.invalid/"
#: PDF for archives; PDF/A-3 may later carry the e-invoice as a file.
VARIANT = "pdf/a-3b"
_TYPES = {".css": "text/css", ".woff2": "font/woff2", ".svg": "image/svg+xml", ".png": "image/png"}


class StaticFilesOnly(URLFetcher):  # type: ignore[misc]
    """Serves our own static files from memory, and opens no file or connection for anything else.

    Errors: ValueError for every other address, which stops the document.
    """

    def __init__(self) -> None:
        super().__init__(allowed_protocols=(), allow_redirects=False, fail_on_errors=True)

    def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
        """Return a static file of an app. Errors: ValueError."""
        if not url.startswith(BASE_URL):
            raise ValueError(f"documents read nothing from {url[:80]!r}")
        name = unquote(urlsplit(url).path).lstrip("/")
        content_type = _TYPES.get(Path(name).suffix)
        found = finders.find(name) if content_type else None
        if not found:
            raise ValueError(f"there is no static file {name[:80]!r}")
        body = Path(found).read_bytes()
        return URLFetcherResponse(url, body, {"Content-Type": content_type})

    def open(self, url: Any, data: Any = None, timeout: Any = None) -> URLFetcherResponse:
        """Answer the other way into the base class the same way."""
        return self.fetch(getattr(url, "full_url", url))


def write_pdf(html: str) -> bytes:
    """Return a document as PDF/A-3b. Errors: ValueError for one that asks for a refused address."""
    fetcher = StaticFilesOnly()
    try:
        page = HTML(string=html, base_url=BASE_URL, url_fetcher=fetcher, media_type="print")
        content: bytes = page.write_pdf(pdf_variant=VARIANT)
    except FatalURLFetchingError as error:  # no Exception: it would end the worker, not the task
        raise ValueError(f"{error}: {error.__cause__}") from error
    return content
