"""API addresses of `billing`."""

from __future__ import annotations

from django.urls import path

from billing.api import views

app_name = "billing-api"
urlpatterns = [
    path("invoices/", views.Invoices.as_view(), name="invoices"),
    path("invoices/<uuid:public_id>/", views.InvoiceDetail.as_view(), name="invoice"),
    path("invoices/<uuid:public_id>/pdf/", views.InvoicePdf.as_view(), name="invoice-pdf"),
    path("invoices/<uuid:public_id>/post/", views.InvoicePost.as_view(), name="post"),
    path("invoices/<uuid:public_id>/credit/", views.InvoiceCredit.as_view(), name="credit"),
    path("draft-lines/", views.DraftLines.as_view(), name="draft-lines"),
]
