"""Staff addresses of `monitoring`."""

from __future__ import annotations

from django.urls import path

from monitoring.views import alerts, panels, rules, telemetry

app_name = "monitoring"
urlpatterns = [
    path("alerts/", alerts.alert_list, name="alerts"),
    path("alerts/rows", alerts.alert_rows, name="alert-rows"),
    path("alerts/rules/", rules.rule_list, name="rules"),
    path("alerts/rules/new", rules.new_rule, name="rule-new"),
    path("alerts/rules/defaults", rules.add_defaults, name="rules-default"),
    path("alerts/rules/matches", rules.rule_matches, name="rule-matches"),
    path("alerts/rules/<uuid:public_id>/", rules.rule, name="rule"),
    path("alerts/groups/<uuid:rule_id>/<uuid:client_id>/", alerts.group, name="group"),
    path(
        "alerts/groups/<uuid:rule_id>/<uuid:client_id>/acknowledge",
        alerts.acknowledge_group,
        name="acknowledge-group",
    ),
    path("alerts/<uuid:public_id>/", alerts.alert, name="alert"),
    path("alerts/<uuid:public_id>/acknowledge", alerts.acknowledge, name="acknowledge"),
    path("devices/<uuid:public_id>/alerts", panels.device_panel, name="device-panel"),
    path("tickets/<int:number>/alerts", panels.ticket_panel, name="ticket-panel"),
    path("clients/<uuid:public_id>/alerts", panels.client_panel, name="client-panel"),
    # ---- telemetry
    path("devices/<uuid:public_id>/telemetry", telemetry.device_panel, name="telemetry-panel"),
]
