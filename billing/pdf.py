"""A document's PDF, if this machine can make one.

Source: docs/decisions/0007-pdf-by-weasyprint.md.
"""

from __future__ import annotations

from importlib import import_module

from django.utils.translation import gettext as _

ENGINE = "billing.weasy"


class PdfUnavailable(Exception):
    """The machine lacks a library; the sentence says which to install."""


def from_html(html: str) -> bytes:
    """Return a PDF/A-3b of one of our own templates, rendered.

    Errors: PdfUnavailable without Pango; whatever WeasyPrint raises for a broken document.
    """
    try:
        engine = import_module(ENGINE)
    except (ImportError, OSError) as error:
        raise PdfUnavailable(
            _(
                "PDFs need the library Pango on the machine of the worker: "
                "install libpango-1.0-0 and libpangoft2-1.0-0 (make system does), then try again."
            )
        ) from error
    content: bytes = engine.write_pdf(html)
    return content
