"""The PDF of a posted document: real, ours alone, and waiting where it cannot be made."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.db import IntegrityError, connection, transaction
from pypdf import PdfReader

from billing import pdf, services, tasks, weasy
from billing.models import Invoice, InvoiceLine
from msp.core import events
from msp.core.models import Blob
from tests.factories import billing as make

ROOT = Path(__file__).resolve().parents[2]
BY = make.MAKER


def _words(content: bytes) -> str:
    pages = PdfReader(io.BytesIO(content)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "http://localhost:1/x.png",
        "https://example.com/x.css",
        "http://static.invalid/billing/document.css",
        "ftp://static.invalid/x.css",
        "data:text/css,body{}",
        f"{weasy.BASE_URL}../../../etc/passwd",
        f"{weasy.BASE_URL}billing/absent.css",
        f"{weasy.BASE_URL}js/app.js",
    ],
)
def test_reads_nothing_but_our_static_files(address):
    fetcher = weasy.StaticFilesOnly()
    for way in (fetcher.fetch, fetcher.open, fetcher):
        with pytest.raises(
            (ValueError, SuspiciousFileOperation), match=r"read nothing|no static file|outside"
        ):
            way(address)


def test_serves_our_own_stylesheet():
    answer = weasy.StaticFilesOnly().fetch(f"{weasy.BASE_URL}billing/document.css")
    assert answer.content_type == "text/css"
    assert b"@page" in answer.read()


@pytest.mark.parametrize(
    "html", ['<img src="file:///etc/passwd">', '<link rel="stylesheet" href="http://x.example/">']
)
def test_stops_at_a_document_that_asks_for_more(html):
    with pytest.raises(ValueError, match="read nothing"):
        pdf.from_html(html)


@pytest.mark.django_db
@pytest.mark.usefixtures("month_end", "as_system")
class TestDocument:
    def test_says_number_lines_clause_and_total(self, acme, managed, settings):
        settings.MSP_ADDRESS = "2 Harbour Road; Cork"
        make.price("120", work_type="onsite")
        make.profile(acme)
        make.draft_line(acme, 50, work_type="remote")
        make.draft_line(acme, 75, note="for colleagues only")
        invoice = services.post_invoice(acme.pk, period=make.NOVEMBER, by=BY)
        events.deliver_all()
        invoice.refresh_from_db()
        content = bytes(invoice.pdf.content)
        words = _words(content)
        for part in (
            "Invoice INV-1001", "Acme Ltd", "Harbour Road", "Disk is full", "3.1 Remote help",
            "1 h 15 min", "€0.00", "€150.00", "€34.50", "€184.50", "30 Dec 2026",
        ):  # fmt: skip
            assert part in words, part
        assert "colleagues" not in words
        assert invoice.pdf.sha256 == hashlib.sha256(content).hexdigest()
        assert invoice.pdf.client_id == acme.pk

    def test_is_an_archive_pdf_with_its_fonts(self, acme):
        make.invoice(acme)
        events.deliver_all()
        content = bytes(Blob.objects.get().content)
        assert content.startswith(b"%PDF-")
        metadata = PdfReader(io.BytesIO(content)).xmp_metadata
        assert metadata is not None
        raw = metadata.stream.get_data().decode()
        assert "<pdfaid:part>3</pdfaid:part>" in raw or 'pdfaid:part="3"' in raw
        fonts = {
            str(font.get_object()["/BaseFont"])
            for page in PdfReader(io.BytesIO(content)).pages
            for font in page["/Resources"]["/Font"].values()
        }
        assert fonts
        assert all("Inter" in font for font in fonts), fonts

    def test_leaves_hostile_text_text(self, acme):
        hostile = '<img src="file:///etc/passwd"><script>x</script> {{ 7|add:7 }} & "quotes"'
        make.invoice(acme, subject=hostile)
        assert events.deliver_all() > 0
        words = _words(bytes(Blob.objects.get().content))
        for part in ('<img src="file:///etc/passwd">', "<script>", "{{ 7|add:7 }}", '& "quotes"'):
            assert part in words, part

    def test_makes_a_credit_note_too(self, acme):
        invoice = make.invoice(acme)
        note = services.credit_invoice(invoice.public_id, by=BY, reason="Wrong month")
        events.deliver_all()
        note.refresh_from_db()
        words = _words(bytes(note.pdf.content))
        for part in ("Credit note CN-1001", "INV-1001", "Wrong month", "€184.50"):
            assert part in words, part

    def test_is_made_once_and_never_replaced(self, acme):
        invoice = make.invoice(acme)
        events.deliver_all()
        assert services.render_invoice(invoice.pk, by=BY)
        assert Blob.objects.count() == 1
        other = Blob.objects.create(
            sha256="0" * 64, size_bytes=1, content_type="application/pdf", content=b"x"
        )
        with (
            pytest.raises(IntegrityError, match="posted"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "UPDATE billing_invoice SET pdf_id = %s WHERE id = %s", [other.pk, invoice.pk]
            )

    def test_waits_and_says_what_to_install_where_pango_is_missing(self, acme, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(pdf, "ENGINE", "tests.billing.no_pango")
            invoice = make.invoice(acme)
            events.deliver_all()
            invoice.refresh_from_db()
            assert invoice.pdf_id is None
            assert "libpango" in invoice.pdf_problem
            assert tasks.render_waiting() == 0
        assert tasks.render_waiting() == 1
        invoice.refresh_from_db()
        assert (invoice.pdf_id is not None, invoice.pdf_problem) == (True, "")

    def test_a_document_that_breaks_does_not_stop_the_others(self, acme, monkeypatch):
        first = make.invoice(acme)
        second = make.invoice(acme, minutes=30)
        whole = pdf.from_html
        monkeypatch.setattr(
            pdf, "from_html", lambda html: 1 / 0 if first.name in html else whole(html)
        )
        assert services.render_waiting(by=BY) == 1
        assert Invoice.objects.get(pk=second.pk).pdf_id is not None

    def test_holds_forty_lines_on_several_pages(self, acme, managed):
        make.price(work_type="onsite")
        make.profile(acme)
        for number in range(40):
            make.draft_line(acme, number)
        services.post_invoice(acme.pk, period=make.NOVEMBER, by=BY)
        events.deliver_all()
        content = bytes(Blob.objects.get().content)
        assert len(PdfReader(io.BytesIO(content)).pages) > 1
        assert InvoiceLine.objects.count() == 40
        assert _words(content).count("Disk is full") == 40


def test_the_web_and_the_worker_start_without_the_engine():
    code = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'msp.settings.test'; "
        "django.setup(); import msp.urls, msp.asgi, billing.handlers, billing.tasks; "
        "sys.exit('weasyprint' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_rounds_nothing_in_the_words_of_a_tax_rate():
    from billing.presentation import tax_words

    assert [tax_words(Decimal(text)) for text in ("0.23", "0.135", "0", "0.200000")] == [
        "23\u00a0%", "13.5\u00a0%", "0\u00a0%", "20\u00a0%",
    ]  # fmt: skip
