"""The management API of `clients`: reads through selectors, commands through services."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from clients import selectors, services
from clients.api import serializers
from clients.domain import coverage
from clients.models import Client, Contract
from msp.core.api.pages import CursorPages
from msp.core.errors import BadInput, NotVisible
from msp.core.models import User

Out = type[Serializer[Any]]


class ClientsView(APIView):
    """What the views here share."""

    def person(self, request: Request) -> User:
        """Return who calls; the permission class has let nobody else pass."""
        return cast(User, request.user)

    def given(self, kind: Out, request: Request, *, partial: bool = False) -> dict[str, Any]:
        """Return the checked body. Errors: DRF's ValidationError, answered 422."""
        serializer = kind(data=request.data, partial=partial)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def paged(self, rows: QuerySet[Any], kind: Out, request: Request) -> Response:
        """Return one page by cursor, newest first."""
        pages = CursorPages()
        found = pages.paginate_queryset(rows, request, view=self)
        return pages.get_paginated_response(kind(found, many=True).data)

    @staticmethod
    def reference(values: dict[str, Any], name: str, get: Any) -> None:
        """Turn the public id under `name` into the key under `<name>_id`.

        Errors: BadInput if it names nothing the caller sees: the same words for both.
        """
        if name in values:
            public_id = values.pop(name)
            try:
                values[f"{name}_id"] = get(public_id).pk if public_id else None
            except NotVisible as error:
                raise BadInput("There is no such row.", field=name) from error


class Clients(ClientsView):
    @extend_schema(responses=serializers.ClientOut(many=True))
    def get(self, request: Request) -> Response:
        """List clients; `q` and `state` narrow, `state=any` also lists those that left."""
        rows = selectors.client_list(
            self.person(request),
            q=request.query_params.get("q", ""),
            state=request.query_params.get("state", ""),
        ).prefetch_related(None)
        return self.paged(rows.select_related("merged_into"), serializers.ClientOut, request)

    @extend_schema(request=serializers.ClientIn, responses={201: serializers.ClientOut})
    def post(self, request: Request) -> Response:
        """Add a client."""
        client = services.add_client(
            by=self.person(request), **self.given(serializers.ClientIn, request)
        )
        return Response(serializers.ClientOut(client).data, status=201)


class ClientDetail(ClientsView):
    @extend_schema(responses=serializers.ClientOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        """Return a client; one merged away says into which."""
        client = selectors.get_client(self.person(request), public_id)
        return Response(serializers.ClientOut(client).data)

    @extend_schema(request=serializers.ClientIn(partial=True), responses=serializers.ClientOut)
    def patch(self, request: Request, public_id: UUID) -> Response:
        """Change what is given."""
        person = self.person(request)
        client = selectors.get_client(person, public_id)
        values = self.given(serializers.ClientIn, request, partial=True)
        client = services.change_client(client.pk, by=person, **values)
        return Response(serializers.ClientOut(client).data)


class ClientMerge(ClientsView):
    @extend_schema(request=serializers.MergeIn, responses=serializers.ClientOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        """Merge a client into another."""
        person = self.person(request)
        client = selectors.get_client(person, public_id)
        values = self.given(serializers.MergeIn, request)
        self.reference(values, "into", lambda wanted: selectors.get_client(person, wanted))
        merged: Client = services.merge_clients(
            client.pk, into=values["into_id"], by=person, reason=values.get("reason", "")
        )
        return Response(serializers.ClientOut(merged).data)


class ClientUnmerge(ClientsView):
    @extend_schema(request=serializers.ReasonIn, responses=serializers.ClientOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        """Take a merge back."""
        person = self.person(request)
        client = selectors.get_client(person, public_id)
        reason = self.given(serializers.ReasonIn, request).get("reason", "")
        return Response(
            serializers.ClientOut(services.unmerge_client(client.pk, by=person, reason=reason)).data
        )


class ClientSites(ClientsView):
    @extend_schema(responses=serializers.SiteOut(many=True))
    def get(self, request: Request, public_id: UUID) -> Response:
        """List a client's current sites, its merged family's included."""
        client = selectors.get_client(self.person(request), public_id)
        rows = selectors.sites_of(self.person(request), client)
        return self.paged(rows, serializers.SiteOut, request)

    @extend_schema(request=serializers.SiteIn, responses={201: serializers.SiteOut})
    def post(self, request: Request, public_id: UUID) -> Response:
        """Add a site."""
        client = selectors.get_client(self.person(request), public_id)
        values = self.given(serializers.SiteIn, request)
        self.reference(values, "calendar", selectors.get_calendar)
        site = services.add_site(client.pk, by=self.person(request), **values)
        return Response(serializers.SiteOut(site).data, status=201)


class SiteDetail(ClientsView):
    @extend_schema(responses=serializers.SiteOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        """Return a site."""
        site = selectors.get_site(self.person(request), public_id)
        return Response(serializers.SiteOut(site).data)

    @extend_schema(request=serializers.SiteIn(partial=True), responses=serializers.SiteOut)
    def patch(self, request: Request, public_id: UUID) -> Response:
        """Change what is given."""
        site = selectors.get_site(self.person(request), public_id)
        values = self.given(serializers.SiteIn, request, partial=True)
        self.reference(values, "calendar", selectors.get_calendar)
        site = services.change_site(site.pk, by=self.person(request), **values)
        return Response(serializers.SiteOut(site).data)


class SiteArchive(ClientsView):
    @extend_schema(request=serializers.ReasonIn, responses=serializers.SiteOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        """Archive a site."""
        site = selectors.get_site(self.person(request), public_id)
        reason = self.given(serializers.ReasonIn, request).get("reason", "")
        site = services.archive_site(site.pk, by=self.person(request), reason=reason)
        return Response(serializers.SiteOut(site).data)


class SiteRestore(ClientsView):
    @extend_schema(request=None, responses=serializers.SiteOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        """Undo the archiving of a site."""
        site = selectors.get_site(self.person(request), public_id)
        site = services.restore_site(site.pk, by=self.person(request))
        return Response(serializers.SiteOut(site).data)


class ClientContacts(ClientsView):
    @extend_schema(responses=serializers.ContactOut(many=True))
    def get(self, request: Request, public_id: UUID) -> Response:
        """List a client's current contacts, its merged family's included."""
        client = selectors.get_client(self.person(request), public_id)
        rows = selectors.contacts_of(self.person(request), client)
        return self.paged(rows, serializers.ContactOut, request)

    @extend_schema(request=serializers.ContactIn, responses={201: serializers.ContactOut})
    def post(self, request: Request, public_id: UUID) -> Response:
        """Add a contact."""
        person = self.person(request)
        client = selectors.get_client(person, public_id)
        values = self.given(serializers.ContactIn, request)
        self.reference(values, "site", lambda wanted: selectors.get_site(person, wanted))
        contact = services.add_contact(client.pk, by=person, **values)
        return Response(serializers.ContactOut(contact).data, status=201)


class ContactDetail(ClientsView):
    @extend_schema(responses=serializers.ContactOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        """Return a contact."""
        contact = selectors.get_contact(self.person(request), public_id)
        return Response(serializers.ContactOut(contact).data)

    @extend_schema(request=serializers.ContactIn(partial=True), responses=serializers.ContactOut)
    def patch(self, request: Request, public_id: UUID) -> Response:
        """Change what is given."""
        person = self.person(request)
        contact = selectors.get_contact(person, public_id)
        values = self.given(serializers.ContactIn, request, partial=True)
        self.reference(values, "site", lambda wanted: selectors.get_site(person, wanted))
        contact = services.change_contact(contact.pk, by=person, **values)
        return Response(serializers.ContactOut(contact).data)


class ContactCommand(ClientsView):
    """A one-click change of a contact; subclasses say which."""

    def run(self, contact_id: int, by: User, reason: str) -> Any:
        raise NotImplementedError

    @extend_schema(request=serializers.ReasonIn, responses=serializers.ContactOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        contact = selectors.get_contact(self.person(request), public_id)
        reason = self.given(serializers.ReasonIn, request).get("reason", "")
        changed = self.run(contact.pk, self.person(request), reason)
        return Response(serializers.ContactOut(changed).data)


class ContactArchive(ContactCommand):
    """Archive a contact."""

    def run(self, contact_id: int, by: User, reason: str) -> Any:
        return services.archive_contact(contact_id, by=by, reason=reason)


class ContactRestore(ContactCommand):
    """Undo the archiving of a contact."""

    def run(self, contact_id: int, by: User, reason: str) -> Any:
        return services.restore_contact(contact_id, by=by)


class ContactInvite(ContactCommand):
    """Mail a contact the way into the portal."""

    def run(self, contact_id: int, by: User, reason: str) -> Any:
        return services.invite_contact(contact_id, by=by)


class ContactWithdraw(ContactCommand):
    """Take the portal away from a contact."""

    def run(self, contact_id: int, by: User, reason: str) -> Any:
        return services.withdraw_invitation(contact_id, by=by, reason=reason)


class Contracts(ClientsView):
    @extend_schema(responses=serializers.ContractOut(many=True))
    def get(self, request: Request) -> Response:
        """List contracts."""
        rows = selectors.contract_list(self.person(request))
        return self.paged(rows, serializers.ContractOut, request)


class ClientContracts(ClientsView):
    @extend_schema(responses=serializers.ContractOut(many=True))
    def get(self, request: Request, public_id: UUID) -> Response:
        """List a client's contracts, its merged family's included."""
        client = selectors.get_client(self.person(request), public_id)
        rows = selectors.contracts_of(self.person(request), client)
        return self.paged(rows, serializers.ContractOut, request)

    @extend_schema(request=serializers.ContractIn, responses={201: serializers.ContractOut})
    def post(self, request: Request, public_id: UUID) -> Response:
        """Draft a contract."""
        client = selectors.get_client(self.person(request), public_id)
        values = _contract_values(self, self.given(serializers.ContractIn, request))
        contract = services.add_contract(client.pk, by=self.person(request), **values)
        return Response(serializers.ContractOut(contract).data, status=201)


def _contract_values(view: ClientsView, values: dict[str, Any]) -> dict[str, Any]:
    view.reference(values, "policy", selectors.get_policy)
    view.reference(values, "calendar", selectors.get_calendar)
    return values


class ContractDetail(ClientsView):
    @extend_schema(responses=serializers.ContractOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        """Return a contract."""
        contract = selectors.get_contract(self.person(request), public_id)
        return Response(serializers.ContractOut(contract).data)

    @extend_schema(request=serializers.ContractIn(partial=True), responses=serializers.ContractOut)
    def patch(self, request: Request, public_id: UUID) -> Response:
        """Change what is given, while it is a draft."""
        contract = selectors.get_contract(self.person(request), public_id)
        values = self.given(serializers.ContractIn, request, partial=True)
        changed: Contract = services.change_contract(
            contract.pk, by=self.person(request), **_contract_values(self, values)
        )
        return Response(serializers.ContractOut(changed).data)


class ContractActivate(ClientsView):
    @extend_schema(request=serializers.ReasonIn, responses=serializers.ContractOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        """Put a draft in force."""
        contract = selectors.get_contract(self.person(request), public_id)
        reason = self.given(serializers.ReasonIn, request).get("reason", "")
        changed = services.activate_contract(contract.pk, by=self.person(request), reason=reason)
        return Response(serializers.ContractOut(changed).data)


class ContractEnd(ClientsView):
    @extend_schema(request=serializers.EndIn, responses=serializers.ContractOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        """Set the last day of an active contract."""
        contract = selectors.get_contract(self.person(request), public_id)
        values = self.given(serializers.EndIn, request)
        changed = services.end_contract(contract.pk, by=self.person(request), **values)
        return Response(serializers.ContractOut(changed).data)


class ContractCoverage(ClientsView):
    @extend_schema(parameters=[serializers.CoverageQuestion], responses=serializers.VerdictOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        """Say whether a piece of work would be covered, and by which rule."""
        contract = selectors.get_contract(self.person(request), public_id)
        question = serializers.CoverageQuestion(data=request.query_params)
        question.is_valid(raise_exception=True)
        verdict = coverage.decide(contract.coverage, **question.validated_data)
        return Response(serializers.VerdictOut(verdict).data)


class Calendars(ClientsView):
    @extend_schema(responses=serializers.CalendarOut(many=True))
    def get(self, request: Request) -> Response:
        """List calendars."""
        return self.paged(selectors.calendars(), serializers.CalendarOut, request)

    @extend_schema(request=serializers.CalendarIn, responses={201: serializers.CalendarOut})
    def post(self, request: Request) -> Response:
        """Add a calendar with its first version."""
        values = self.given(serializers.CalendarIn, request)
        made = services.add_calendar(values.pop("name"), by=self.person(request), **values)
        return Response(
            serializers.CalendarOut(selectors.get_calendar(made.public_id)).data, status=201
        )


class CalendarVersions(ClientsView):
    @extend_schema(responses=serializers.CalendarVersionOut(many=True))
    def get(self, request: Request, public_id: UUID) -> Response:
        """List the versions of a calendar."""
        rows = selectors.calendar_versions(selectors.get_calendar(public_id))
        return self.paged(rows, serializers.CalendarVersionOut, request)

    @extend_schema(
        request=serializers.CalendarVersionIn, responses={201: serializers.CalendarVersionOut}
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        """Write the hours that hold from now on."""
        version = services.add_calendar_version(
            selectors.get_calendar(public_id).pk,
            by=self.person(request),
            **self.given(serializers.CalendarVersionIn, request),
        )
        return Response(serializers.CalendarVersionOut(version).data, status=201)


class CalendarDefault(ClientsView):
    @extend_schema(request=None, responses={204: OpenApiResponse(description="Done.")})
    def post(self, request: Request, public_id: UUID) -> Response:
        """Make a calendar the one of clients without a contract."""
        calendar = selectors.get_calendar(public_id)
        services.make_default_calendar(calendar.pk, by=self.person(request))
        return Response(status=204)


class Policies(ClientsView):
    @extend_schema(responses=serializers.PolicyOut(many=True))
    def get(self, request: Request) -> Response:
        """List SLA policies."""
        return self.paged(selectors.policies(), serializers.PolicyOut, request)

    @extend_schema(request=serializers.PolicyIn, responses={201: serializers.PolicyOut})
    def post(self, request: Request) -> Response:
        """Add an SLA policy with its first version."""
        values = self.given(serializers.PolicyIn, request)
        made = services.add_policy(values.pop("name"), by=self.person(request), **values)
        return Response(
            serializers.PolicyOut(selectors.get_policy(made.public_id)).data, status=201
        )


class PolicyVersions(ClientsView):
    @extend_schema(responses=serializers.PolicyVersionOut(many=True))
    def get(self, request: Request, public_id: UUID) -> Response:
        """List the versions of an SLA policy."""
        rows = selectors.policy_versions(selectors.get_policy(public_id))
        return self.paged(rows, serializers.PolicyVersionOut, request)

    @extend_schema(
        request=serializers.PolicyVersionIn, responses={201: serializers.PolicyVersionOut}
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        """Write the targets that hold from now on."""
        version = services.add_policy_version(
            selectors.get_policy(public_id).pk,
            by=self.person(request),
            **self.given(serializers.PolicyVersionIn, request),
        )
        return Response(serializers.PolicyVersionOut(version).data, status=201)


class PolicyDefault(ClientsView):
    @extend_schema(request=None, responses={204: OpenApiResponse(description="Done.")})
    def post(self, request: Request, public_id: UUID) -> Response:
        """Make a policy the one of clients without a contract."""
        policy = selectors.get_policy(public_id)
        services.make_default_policy(policy.pk, by=self.person(request))
        return Response(status=204)
