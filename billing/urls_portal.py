"""Portal addresses of `billing`; composed under the namespace `portal`."""

from __future__ import annotations

from django.urls import path

from billing.views import portal

urlpatterns = [
    path("invoices/", portal.invoices, name="invoices"),
    path("invoices/<uuid:public_id>/", portal.invoice, name="invoice"),
    path("invoices/<uuid:public_id>/pdf/", portal.invoice_pdf, name="invoice-pdf"),
    path("credit-notes/<uuid:public_id>/pdf/", portal.credit_note_pdf, name="credit-note-pdf"),
]
