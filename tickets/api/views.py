"""The management API of tickets: reading, and one address for each command."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from msp.core.errors import BadInput, NotVisible
from msp.core.models import User
from tickets import selectors, services
from tickets.api import serializers as forms
from tickets.enums import Source, Status
from tickets.models import Message, Ticket, TimeEntry


class TicketList(generics.ListAPIView[Ticket]):
    """Tickets, newest first; filter by `status` (or `open`), `client`, `owner=me`."""

    serializer_class = forms.TicketSerializer

    def get_queryset(self) -> QuerySet[Ticket]:
        user, asked = _user(self.request), self.request.query_params
        rows = selectors.ticket_list(user)
        if wanted := asked.get("status", ""):
            if wanted == "open":
                rows = rows.open()  # type: ignore[attr-defined]
            elif wanted in Status.values:
                rows = rows.filter(status=wanted)
            else:
                raise BadInput("There is no such status.", field="status")
        if client := asked.get("client", ""):
            rows = rows.filter(client=_client_id(user, client))
        if asked.get("owner") == "me":
            rows = rows.filter(owner=user)
        return rows

    @extend_schema(request=forms.OpenCommand, responses={201: forms.TicketDetailSerializer})
    def post(self, request: Request) -> Response:
        """Open a ticket."""
        values = _values(forms.OpenCommand, request)
        user = _user(request)
        client_id = _client_id(user, str(values.pop("client")))
        keys: dict[str, Any] = {
            f"{name}_id": _key(rows(user, client_id), values.pop(name, None))
            for name, rows in (
                ("contact", selectors.contacts_for),
                ("site", selectors.sites_for),
                ("device", selectors.devices_for),
            )
        }
        ticket = services.open_ticket(
            by=user, client_id=client_id, source=Source.API, **keys, **values
        )
        return _detail(user, ticket.number, status.HTTP_201_CREATED)


class TicketDetail(APIView):
    """One ticket with its promises."""

    @extend_schema(responses=forms.TicketDetailSerializer)
    def get(self, request: Request, number: int) -> Response:
        return _detail(_user(request), number)


class Thread(generics.ListAPIView[Message]):
    """The thread of a ticket, oldest first."""

    serializer_class = forms.MessageSerializer

    def filter_queryset(self, queryset: Any) -> Any:
        return queryset

    def get_queryset(self) -> QuerySet[Message]:
        user = _user(self.request)
        return selectors.thread(user, selectors.get_ticket(user, self.kwargs["number"]))

    def paginate_queryset(self, queryset: Any) -> Any:
        """Return the thread whole: it is read as a whole."""
        return None

    @extend_schema(request=forms.MessageCommand, responses={201: forms.MessageSerializer})
    def post(self, request: Request, number: int) -> Response:
        """Add a message."""
        values = _values(forms.MessageCommand, request)
        message = services.add_message(number, by=_user(request), **values)
        return Response(forms.MessageSerializer(message).data, status.HTTP_201_CREATED)


class TicketStatus(APIView):
    @extend_schema(request=forms.StatusCommand, responses=forms.TicketDetailSerializer)
    def post(self, request: Request, number: int) -> Response:
        """Change the status."""
        services.change_status(number, by=_user(request), **_values(forms.StatusCommand, request))
        return _detail(_user(request), number)


class TicketAssign(APIView):
    @extend_schema(request=forms.AssignCommand, responses=forms.TicketDetailSerializer)
    def post(self, request: Request, number: int) -> Response:
        """Give the ticket to a person who may work it, or to nobody."""
        user = _user(request)
        ticket = selectors.get_ticket(user, number)
        owner = _values(forms.AssignCommand, request)["owner"]
        owner_id = None
        if owner is not None:
            owner_id = next(
                (
                    person.pk
                    for person in selectors.owners_for(ticket.client_id)
                    if person.public_id == owner
                ),
                None,
            )
            if owner_id is None:
                raise BadInput("This person may not work this client's tickets.", field="owner")
        services.assign_ticket(number, by=user, owner_id=owner_id)
        return _detail(user, number)


class TicketResolve(APIView):
    @extend_schema(request=forms.ResolveCommand, responses=forms.TicketDetailSerializer)
    def post(self, request: Request, number: int) -> Response:
        """Resolve the ticket with a text that the client gets."""
        services.resolve_ticket(number, by=_user(request), **_values(forms.ResolveCommand, request))
        return _detail(_user(request), number)


class TicketReopen(APIView):
    @extend_schema(request=forms.ReopenCommand, responses=forms.TicketDetailSerializer)
    def post(self, request: Request, number: int) -> Response:
        """Take a solution back."""
        services.reopen_ticket(number, by=_user(request), **_values(forms.ReopenCommand, request))
        return _detail(_user(request), number)


class TicketTime(generics.ListAPIView[TimeEntry]):
    """The time on a ticket, oldest first."""

    serializer_class = forms.TimeSerializer

    def filter_queryset(self, queryset: Any) -> Any:
        return queryset

    def get_queryset(self) -> QuerySet[TimeEntry]:
        user = _user(self.request)
        return selectors.time_of(user, selectors.get_ticket(user, self.kwargs["number"]))

    def paginate_queryset(self, queryset: Any) -> Any:
        """Return the entries whole."""
        return None

    @extend_schema(request=forms.TimeCommand, responses={201: forms.TimeSerializer})
    def post(self, request: Request, number: int) -> Response:
        """Log time of the caller."""
        values = _values(forms.TimeCommand, request)
        entry = services.log_time(number, by=_user(request), **values)
        return Response(forms.TimeSerializer(entry).data, status.HTTP_201_CREATED)


def _user(request: Any) -> User:
    return request.user  # type: ignore[no-any-return]


def _values(kind: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    command = kind(data=request.data)
    command.is_valid(raise_exception=True)
    return dict(command.validated_data)


def _client_id(user: User, public_id: str) -> int:
    """Return a client's key. Errors: NotVisible, also for what is no UUID."""
    try:
        client = selectors.client_by_public_id(user, public_id)
    except (ValueError, ValidationError) as error:
        raise NotVisible from error
    if client is None:
        raise NotVisible
    return client.pk


def _key(rows: QuerySet[Any], public_id: object) -> int | None:
    """Return the key of a row among those a person may choose. Errors: NotVisible."""
    if public_id is None:
        return None
    key: int | None = rows.filter(public_id=public_id).values_list("pk", flat=True).first()
    if key is None:
        raise NotVisible
    return key


def _detail(user: User, number: int, code: int = status.HTTP_200_OK) -> Response:
    ticket = selectors.get_ticket(user, number)
    return Response(forms.TicketDetailSerializer(ticket).data, code)
