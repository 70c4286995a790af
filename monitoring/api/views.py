"""The API of alerts and rules: it translates, the services decide."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clients import selectors as client_selectors
from monitoring import services
from monitoring.api.serializers import (
    AddRuleSerializer,
    AlertSerializer,
    ChangeRuleSerializer,
    RuleSerializer,
    figures_from,
)
from monitoring.forms import AlertFilterForm
from monitoring.models import Alert, Rule
from monitoring.selectors import alerts as selectors
from monitoring.selectors import rules as rule_selectors


class AlertList(ListAPIView):  # type: ignore[type-arg]
    """The alerts the caller sees, newest first; `tab` is open, acknowledged or closed."""

    serializer_class = AlertSerializer

    @extend_schema(
        parameters=[
            OpenApiParameter("tab", enum=["open", "acknowledged", "closed"]),
            OpenApiParameter("severity", enum=["info", "warning", "critical"]),
            OpenApiParameter("client", UUID),
            OpenApiParameter("q", str),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> QuerySet[Alert]:
        wanted = AlertFilterForm(self.request.query_params).wanted()
        return selectors.alert_list(self.request.user, wanted)  # type: ignore[arg-type]


class AlertView(APIView):
    @extend_schema(responses=AlertSerializer)
    def get(self, request: Request, public_id: UUID) -> Response:
        """Return one alert."""
        alert = selectors.get_alert(request.user, public_id)  # type: ignore[arg-type]
        return Response(AlertSerializer(alert).data)


class AcknowledgeView(APIView):
    @extend_schema(request=None, responses=AlertSerializer)
    def post(self, request: Request, public_id: UUID) -> Response:
        """Note that the caller knows of an alert; no clock of a ticket is touched."""
        services.acknowledge_alert(public_id, by=request.user)  # type: ignore[arg-type]
        alert = selectors.get_alert(request.user, public_id)  # type: ignore[arg-type]
        return Response(AlertSerializer(alert).data)


class RuleList(APIView):
    @extend_schema(responses=RuleSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Return the rules the caller sees, each with its newest version."""
        rows = rule_selectors.with_versions(rule_selectors.rule_list(request.user))  # type: ignore[arg-type]
        return Response({"results": [_shown(rule, version) for rule, version in rows]})

    @extend_schema(request=AddRuleSerializer, responses={201: RuleSerializer})
    def post(self, request: Request) -> Response:
        """Make a rule."""
        words = _taken(AddRuleSerializer(data=request.data))
        client_id, replaces_id = None, None
        if wanted := words.pop("client"):
            client_id = client_selectors.get_client(request.user, wanted).pk  # type: ignore[arg-type]
        if wanted := words.pop("replaces"):
            replaces_id = rule_selectors.get_rule(request.user, wanted).pk  # type: ignore[arg-type]
        figures = figures_from(words.pop("figures"))
        rule = services.add_rule(
            by=request.user,  # type: ignore[arg-type]
            figures=figures,
            client_id=client_id,
            replaces_id=replaces_id,
            **words,
        )
        return Response(_one(request, rule.public_id), status=201)


class RuleView(APIView):
    @extend_schema(responses=RuleSerializer)
    def get(self, request: Request, public_id: UUID) -> Response:
        """Return one rule with its newest version."""
        return Response(_one(request, public_id))

    @extend_schema(request=ChangeRuleSerializer, responses=RuleSerializer)
    def patch(self, request: Request, public_id: UUID) -> Response:
        """Change a rule; other figures make a new version."""
        rule_selectors.get_rule(request.user, public_id)  # type: ignore[arg-type]
        words = _taken(ChangeRuleSerializer(data=request.data))
        figures = words.pop("figures", None)
        services.change_rule(
            public_id,
            by=request.user,  # type: ignore[arg-type]
            figures=figures_from(figures) if figures else None,
            **words,
        )
        return Response(_one(request, public_id))


def _taken(serializer: Any) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _one(request: Request, public_id: UUID) -> dict[str, Any]:
    rule = rule_selectors.get_rule(request.user, public_id)  # type: ignore[arg-type]
    return _shown(rule, rule_selectors.versions_of(rule)[0])


def _shown(rule: Rule, version: Any) -> dict[str, Any]:
    rule.newest = version  # type: ignore[attr-defined]
    return dict(RuleSerializer(rule).data)
