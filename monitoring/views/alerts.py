"""The list of alerts, the page of one, and acknowledging."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from clients import selectors as client_selectors
from monitoring import notifications as words
from monitoring import services
from monitoring.enums import AlertState
from monitoring.forms import AlertFilterForm
from monitoring.selectors import alerts as selectors
from monitoring.selectors import charts
from monitoring.selectors import rules as rule_selectors
from monitoring.selectors.alerts import AlertFilter
from monitoring.views import rows as shapes
from msp.core.models import User
from msp.core.pages import is_fragment, render_page
from msp.core.permissions import can
from msp.core.scope import Principal

#: Ids that one hint may name; the script asks for no more at once.
MOST_IDS = 50


class PersonRequest(HttpRequest):
    """A request of a signed-in person; the middleware sees to that."""

    user: User  # type: ignore[assignment]


def alert_list(request: PersonRequest) -> HttpResponse:
    """Show what is wrong now, grouped by condition and client; or what is over."""
    form = AlertFilterForm(request.GET or {"tab": "open"})
    wanted = form.wanted()
    context = _listing(request, wanted) | {
        "filter": form,
        "tabs": _tabs(request.user, wanted),
        "client_name": _client_name(request.user, wanted),
        "may_see_rules": can(request.user, "monitoring.view"),
    }
    return render_page(request, "monitoring/alert_list.html", context)


def alert_rows(request: PersonRequest) -> HttpResponse:
    """Answer the live list: the groups of the ids asked for, or all that belong in it."""
    wanted = AlertFilterForm(request.GET).wanted()
    ids = [one for one in request.GET.get("ids", "").split(",") if one][:MOST_IDS]
    if ids:
        context = _listing(request, wanted, only=ids) | {"out_of_band": True}
        return render_page(request, "monitoring/_alert_changes.html", context)
    return render_page(request, "monitoring/_alert_rows.html", _listing(request, wanted))


def alert(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show one alert: why, how it went on, its figures, its ticket."""
    context = _about(request, public_id)
    return render_page(request, "monitoring/alert_detail.html", context, part="live")


def group(request: PersonRequest, rule_id: UUID, client_id: UUID) -> HttpResponse:
    """List the alerts of one rule at one client that are not over."""
    client = client_selectors.get_client(request.user, client_id)
    rule = rule_selectors.get_rule(request.user, rule_id)
    wanted = AlertFilter(tab="all", client=str(client.public_id), rule=str(rule.public_id))
    found = list(
        selectors.alert_list(request.user, wanted).order_by("-opened_at", "-pk")[
            : selectors.CLOSED_PAGE
        ]
    )
    states = selectors.now_values(request.user, found)
    context = {
        "rule": rule,
        "client": client,
        "rows": shapes.alert_rows(request.user, found, states),
        "may_acknowledge": any(row.state == AlertState.OPEN for row in found)
        and can(request.user, "monitoring.acknowledge", client.pk),
        "group_id": selectors.group_id(rule.pk, client.pk),
    }
    return render_page(request, "monitoring/alert_group.html", context, part="rows")


@require_POST
def acknowledge(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Note that the person knows of an alert."""
    alert = services.acknowledge_alert(public_id, by=request.user)
    messages.success(request, _("Acknowledged. The alert stays open until it is over."))
    return redirect(_next(request, reverse("monitoring:alert", args=[alert.public_id])))


@require_POST
def acknowledge_group(request: PersonRequest, rule_id: UUID, client_id: UUID) -> HttpResponse:
    """Note that the person knows of all alerts of one rule at one client."""
    done = services.acknowledge_group(rule_id, client_id, by=request.user)
    messages.success(
        request,
        ngettext("%(n)d alert acknowledged.", "%(n)d alerts acknowledged.", len(done))
        % {"n": len(done)},
    )
    return redirect(_next(request, reverse("monitoring:alerts")))


def _listing(
    request: PersonRequest, wanted: AlertFilter, *, only: list[str] | None = None
) -> dict[str, Any]:
    """Return the rows of the list: groups of what is open, single alerts of what is over."""
    user = request.user
    if wanted.tab == "closed":
        if only is not None:
            return {"groups": [], "closed": [], "is_closed_tab": True}
        found = selectors.closed_alerts(user, wanted, after=request.GET.get("after", ""))
        shown = found[: selectors.CLOSED_PAGE]
        more = len(found) > len(shown)
        return {
            "closed": shapes.alert_rows(user, shown),
            "is_closed_tab": True,
            "next_url": _page_url(request, after=str(shown[-1].public_id)) if more else "",
        }
    page = request.GET.get("page", "")
    # int() refuses "²" and thousands of digits, PostgreSQL offsets beyond bigint.
    number = max(1, int(page)) if page.isdecimal() and len(page) < 7 else 1
    groups, more = selectors.alert_groups(
        user, wanted, only=only, offset=(number - 1) * selectors.PAGE
    )
    named = [alert for group in groups for alert in group.alerts]
    states = selectors.now_values(user, named) if named else {}
    return {
        "groups": [shapes.group_row(user, group, states) for group in groups],
        "alert_count": sum(group.count for group in groups),
        "is_closed_tab": False,
        "next_url": _page_url(request, page=str(number + 1)) if more else "",
        "prev_url": _page_url(request, page=str(number - 1)) if number > 1 else "",
    }


def _about(request: PersonRequest, public_id: UUID) -> dict[str, Any]:
    user = request.user
    alert = selectors.get_alert(user, public_id)
    state = selectors.state_of(user, alert)
    rule, version = alert.rule, alert.rule_version
    return {
        "row": shapes.alert_row(user, alert, state),
        "alert": alert,
        "state": state,
        "transitions": [
            {
                "change": change,
                "value": words.value_words(rule.metric, change.value)
                if change.value is not None
                else "",
            }
            for change in selectors.transitions_of(user, alert)
        ],
        "metric": words.metric_label(rule.metric),
        "value": words.value_words(rule.metric, alert.value),
        "fires": words.condition_words(rule, version),
        "clears": words.clear_words(rule, version),
        "unit": "ratio" if words.unit_of(rule.metric) == "1" else words.unit_of(rule.metric),
        "points": charts.points_of(user, alert),
        "may_see_ticket": can(user, "tickets.view", alert.client_id),
        "fragment": is_fragment(request),
    }


def _tabs(user: Principal, wanted: AlertFilter) -> list[dict[str, Any]]:
    counts = selectors.tab_counts(user)
    labels = {"open": _("Open"), "acknowledged": _("Acknowledged"), "closed": _("Closed")}
    return [
        {
            "label": label,
            "url": f"{reverse('monitoring:alerts')}?{urlencode({'tab': tab})}",
            "current": tab == wanted.tab,
            **({} if tab == "closed" else {"count": counts.get(tab, 0)}),
        }
        for tab, label in labels.items()
    ]


def _client_name(user: Principal, wanted: AlertFilter) -> str:
    if not wanted.client:
        return ""
    return client_selectors.get_client(user, wanted.client).name


def _page_url(request: HttpRequest, **changed: str) -> str:
    kept = {key: value for key, value in request.GET.items() if key not in ("page", "after", "ids")}
    return f"{reverse('monitoring:alerts')}?{urlencode(kept | changed)}"


def _next(request: HttpRequest, otherwise: str) -> str:
    """Return where the person came from, if that is a page of ours."""
    wanted = request.POST.get("next", "")
    if wanted and url_has_allowed_host_and_scheme(wanted, {request.get_host()}):
        return wanted
    return otherwise
