"""API addresses of `monitoring`."""

from __future__ import annotations

from django.urls import path

from monitoring.api import views

app_name = "monitoring-api"
urlpatterns = [
    path("alerts/", views.AlertList.as_view(), name="alerts"),
    path("alerts/<uuid:public_id>/", views.AlertView.as_view(), name="alert"),
    path(
        "alerts/<uuid:public_id>/acknowledge/",
        views.AcknowledgeView.as_view(),
        name="alert-acknowledge",
    ),
    path("rules/", views.RuleList.as_view(), name="rules"),
    path("rules/<uuid:public_id>/", views.RuleView.as_view(), name="rule"),
]
