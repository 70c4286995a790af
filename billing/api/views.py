"""The management API of `billing`: reads through selectors, commands through services."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from billing import selectors, services
from billing.api import serializers
from billing.enums import InvoiceState
from billing.models import Invoice
from billing.views.parts import pdf_answer
from clients import selectors as client_selectors
from msp.core.api.pages import CursorPages
from msp.core.errors import BadInput, NotVisible
from msp.core.models import User


class BillingView(APIView):
    """What the views here share."""

    def person(self, request: Request) -> User:
        """Return who calls; the permission class has let nobody else pass."""
        return cast(User, request.user)

    def given(self, kind: type[Serializer[Any]], request: Request) -> dict[str, Any]:
        """Return the checked body. Errors: DRF's ValidationError, answered 422."""
        serializer = kind(data=request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def detail(self, request: Request, public_id: UUID, *, status: int = 200) -> Response:
        """Return an invoice with its lines."""
        invoice = selectors.get_invoice(self.person(request), public_id)
        invoice.shown_lines = selectors.invoice_lines(self.person(request), invoice)  # type: ignore[attr-defined]
        context = {"for_contact": self.person(request).is_portal_user}
        data = serializers.InvoiceDetailOut(invoice, context=context).data
        return Response(data, status=status)


class Invoices(BillingView):
    @extend_schema(
        responses=serializers.InvoiceOut(many=True),
        parameters=[OpenApiParameter("state", enum=InvoiceState.values)],
    )
    def get(self, request: Request) -> Response:
        """List invoices, newest first; `state` narrows."""
        state = request.query_params.get("state", "")
        rows = selectors.invoice_list(
            self.person(request), state=state if state in InvoiceState.values else ""
        )
        pages = CursorPages()
        found: list[Invoice] = pages.paginate_queryset(rows, request, view=self) or []
        return pages.get_paginated_response(serializers.InvoiceOut(found, many=True).data)

    @extend_schema(request=serializers.DraftIn, responses={201: serializers.InvoiceDetailOut})
    def post(self, request: Request) -> Response:
        """Put a client's waiting lines of a month on its draft invoice."""
        if self.person(request).is_portal_user:
            raise NotVisible
        values = self.given(serializers.DraftIn, request)
        try:
            client = client_selectors.get_client(self.person(request), values["client"])
        except NotVisible as error:
            raise BadInput("There is no such client.", field="client") from error
        made = services.draft_invoice(client.pk, period=values["period"], by=self.person(request))
        return self.detail(request, made.public_id, status=201)


class InvoiceDetail(BillingView):
    @extend_schema(responses=serializers.InvoiceDetailOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        """Return an invoice with its lines and what is behind them."""
        return self.detail(request, public_id)


class InvoicePdf(BillingView):
    @extend_schema(responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    def get(self, request: Request, public_id: UUID) -> HttpResponse:
        """Return the PDF as it was issued; 409 while it is being made."""
        return pdf_answer(selectors.get_invoice(self.person(request), public_id))


class InvoicePost(BillingView):
    @extend_schema(request=None, responses=serializers.InvoiceDetailOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        """Give a draft its number and freeze it; a posted one is returned as it is."""
        found = selectors.get_invoice(self.person(request), public_id)
        services.post_draft(found.public_id, by=self.person(request))
        return self.detail(request, public_id)


class InvoiceCredit(BillingView):
    @extend_schema(request=serializers.CreditIn, responses={201: serializers.CreditNoteOut})
    def post(self, request: Request, public_id: UUID) -> Response:
        """Give back a posted invoice, in whole or in part."""
        found = selectors.get_invoice(self.person(request), public_id)
        values = self.given(serializers.CreditIn, request)
        if "amounts" in values:
            try:
                values["amounts"] = {UUID(key): value for key, value in values["amounts"].items()}
            except ValueError as error:
                raise BadInput("Lines are named by their id.", field="amounts") from error
        note = services.credit_invoice(found.public_id, by=self.person(request), **values)
        return Response(serializers.CreditNoteOut(note).data, status=201)


class DraftLines(BillingView):
    @extend_schema(responses=serializers.DraftLineOut(many=True))
    def get(self, request: Request) -> Response:
        """List the lines that wait to be invoiced, newest first."""
        rows = selectors.draft_lines(self.person(request))
        pages = CursorPages()
        found = pages.paginate_queryset(rows, request, view=self) or []
        return pages.get_paginated_response(serializers.DraftLineOut(found, many=True).data)
