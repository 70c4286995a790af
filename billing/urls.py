"""Staff addresses of `billing`."""

from __future__ import annotations

from django.urls import path

from billing.views import clients, invoices, prices

app_name = "billing"
urlpatterns = [
    path("invoices/", invoices.invoices, name="invoices"),
    path("invoices/prepare/", invoices.prepare, name="prepare"),
    path("invoices/ready/<uuid:public_id>/<slug:period>/", invoices.ready, name="ready"),
    path("invoices/ready/<uuid:public_id>/<slug:period>/draft/", invoices.draft, name="draft"),
    path(
        "invoices/ready/<uuid:public_id>/<slug:period>/price/",
        invoices.price_again,
        name="price-again",
    ),
    path("invoices/lines/<uuid:public_id>/drop/", invoices.line_drop, name="line-drop"),
    path("invoices/<uuid:public_id>/", invoices.invoice, name="invoice"),
    path("invoices/<uuid:public_id>/post/", invoices.post, name="post"),
    path("invoices/<uuid:public_id>/discard/", invoices.discard, name="discard"),
    path("invoices/<uuid:public_id>/pdf/", invoices.invoice_pdf, name="invoice-pdf"),
    path("invoices/<uuid:public_id>/pdf/retry/", invoices.pdf_retry, name="pdf-retry"),
    path("invoices/<uuid:public_id>/credit/", invoices.credit, name="credit"),
    path("credit-notes/<uuid:public_id>/", invoices.credit_note, name="credit-note"),
    path("credit-notes/<uuid:public_id>/pdf/", invoices.credit_note_pdf, name="credit-note-pdf"),
    path("prices/", prices.prices, name="prices"),
    path("prices/new/", prices.price_new, name="price-new"),
    path("prices/<uuid:public_id>/withdraw/", prices.price_withdraw, name="price-withdraw"),
    path("clients/<uuid:public_id>/billing/", clients.client_billing, name="client"),
    path("clients/<uuid:public_id>/billing/profile/", clients.profile, name="profile"),
    path(
        "clients/<uuid:public_id>/billing/prices/new/",
        clients.client_price_new,
        name="client-price-new",
    ),
    path("contracts/<uuid:public_id>/lines/new/", clients.line_new, name="contract-line-new"),
    path(
        "contract-lines/<uuid:public_id>/change/", clients.line_change, name="contract-line-change"
    ),
    path("contract-lines/<uuid:public_id>/end/", clients.line_end, name="contract-line-end"),
    path(
        "contract-lines/<uuid:public_id>/withdraw/",
        clients.line_withdraw,
        name="contract-line-withdraw",
    ),
]
