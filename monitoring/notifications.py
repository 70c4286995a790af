"""The words of an alert: in lists, on its ticket, in its history.

Alerts tell nobody by themselves. The ticket they open does, by `tickets`' own notifications.
"""

from __future__ import annotations

from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from monitoring.domain.catalogue import CATALOGUE, Unit
from monitoring.domain.rules import Side
from monitoring.domain.selection import SILENCE
from monitoring.labels import label_of
from monitoring.models import Alert, Rule, RuleVersion
from msp.core.templatetags.ui import NBSP, byte_words, duration_minutes, quantity

_SUBJECT_MAX = 200
_WHY_MAX = 250


#: What an alert says of the metrics rules are made for; `instance` and `value` are filled in.
PHRASES: dict[str, Promise] = {
    "system.filesystem.utilization": gettext_lazy("volume %(instance)s is %(value)s full"),
    "system.cpu.utilization": gettext_lazy("the processor is %(value)s busy"),
    "system.memory.utilization": gettext_lazy("memory is %(value)s used"),
    "system.paging.utilization": gettext_lazy("swap is %(value)s used"),
    "system.cpu.load_average.1m": gettext_lazy("the load is %(value)s"),
    "system.network.io.rate": gettext_lazy("network %(instance)s carries %(value)s"),
    "system.network.errors.rate": gettext_lazy(
        "network %(instance)s has %(value)s errors a second"
    ),
    "system.network.packet.dropped.rate": gettext_lazy(
        "network %(instance)s drops %(value)s packets a second"
    ),
    "system.disk.io.rate": gettext_lazy("disk %(instance)s carries %(value)s"),
    "msp.disk.latency": gettext_lazy("disk %(instance)s takes %(value)s for an operation"),
    "msp.disk.busy": gettext_lazy("disk %(instance)s is %(value)s busy"),
    "msp.pressure.cpu": gettext_lazy("programs wait for the processor %(value)s of the time"),
    "msp.pressure.memory": gettext_lazy("programs wait for memory %(value)s of the time"),
    "msp.pressure.io": gettext_lazy("programs wait for disks %(value)s of the time"),
    "msp.service.up": gettext_lazy("service %(instance)s is not running"),
    "msp.reboot.required": gettext_lazy("a restart is needed"),
    "msp.updates.age": gettext_lazy("updates were last looked up or installed %(value)s ago"),
    "msp.updates.pending": gettext_lazy("%(value)s updates wait"),
    "msp.updates.security": gettext_lazy("%(value)s security updates wait"),
    "msp.clock.offset": gettext_lazy("the clock is wrong by %(value)s"),
    SILENCE: gettext_lazy("no report for %(value)s"),
}
_SERVICE_UP = "msp.service.up"
_UNKNOWN = gettext_lazy("%(metric)s %(instance)s is %(value)s")


def metric_label(metric: str) -> str:
    """Return a metric in words; one that is not in the catalogue by its own name."""
    return _("Silence since the last report") if metric == SILENCE else label_of(metric)


def unit_of(metric: str) -> str:
    """Return the unit a metric is measured in: `1` for ratios, `By`, `By/s`, `s`, or nothing."""
    if metric == SILENCE:
        return Unit.SECONDS
    known = CATALOGUE.get(metric)
    counts = (Unit.COUNT, Unit.COUNT_PER_SECOND)  # of what and in what time, the phrase says
    return "" if known is None or known.unit in counts else known.unit


def value_words(metric: str, value: float | None) -> str:
    """Return a measured value as people read it; times from a minute up in minutes."""
    unit = unit_of(metric)
    if value is not None and unit == Unit.SECONDS:
        if metric != SILENCE and abs(value) < 60:
            ms = quantity(value * 1000, "ms")
            return _plain(ms if abs(value) < 1 else quantity(value, unit))
        return _plain(duration_minutes(value / 60, days=True))
    if value is not None and unit == Unit.BYTES_PER_SECOND:
        return _plain(f"{byte_words(value)}/s")
    return _plain(quantity(value, unit_of(metric)))


def summary_of(metric: str, instance: str, value: float, free_bytes: float | None) -> str:
    """Return why an alert is: "volume /srv is 93 % full, 4.1 GB free"."""
    phrase = str(PHRASES.get(metric, _UNKNOWN))
    parts = {"metric": metric, "instance": instance, "value": value_words(metric, value)}
    text = " ".join((phrase % parts).split())
    if free_bytes is not None:
        text = _("%(what)s, %(size)s free") % {
            "what": text,
            "size": _plain(byte_words(free_bytes)),
        }
    return text[:_WHY_MAX]


def condition_words(rule: Rule, version: RuleVersion) -> str:
    """Return a rule's condition in words: "90 % or more, and 20 GB or less free, for 2 min"."""
    bound = value_words(rule.metric, version.threshold)
    if rule.metric == _SERVICE_UP and version.side == Side.BELOW:
        parts = [_("not running")]  # "0 or less" says it to nobody
    elif version.side == Side.ABOVE:
        parts = [_("%(value)s or more") % {"value": bound}]
    else:
        parts = [_("%(value)s or less") % {"value": bound}]
    if version.free_below_bytes is not None:
        size = _plain(byte_words(version.free_below_bytes))
        parts.append(_("and %(size)s or less free") % {"size": size})
    text = ", ".join(parts) if len(parts) > 1 else parts[0]
    if version.for_seconds:
        text = _("%(what)s, for %(time)s") % {"what": text, "time": seconds(version.for_seconds)}
    return text


def clear_words(rule: Rule, version: RuleVersion) -> str:
    """Return when a rule clears, in words."""
    bound = value_words(rule.metric, version.clear_threshold)
    if rule.metric == _SERVICE_UP and version.side == Side.BELOW:
        text = _("running again")
    elif version.side == Side.ABOVE:
        text = _("below %(value)s") % {"value": bound}
    else:
        text = _("above %(value)s") % {"value": bound}
    if version.free_clear_bytes is not None:
        text = _("%(what)s, or more than %(size)s free") % {
            "what": text,
            "size": _plain(byte_words(version.free_clear_bytes)),
        }
    if version.keep_firing_for_seconds:
        text = _("%(what)s, for %(time)s") % {
            "what": text,
            "time": seconds(version.keep_firing_for_seconds),
        }
    return text


def seconds(count: int) -> str:
    """Return a length of time; short ones in seconds."""
    if count % 60 and count < 600:
        return ngettext("%(n)d second", "%(n)d seconds", count) % {"n": count}
    return _plain(duration_minutes(count / 60, days=True))


def ticket_subject(alert: Alert) -> str:
    """Return the subject of the ticket an alert opens: "SRV-01: volume /srv is 93 % full"."""
    return f"{alert.device.name}: {alert.summary}"[:_SUBJECT_MAX]


def ticket_body(alert: Alert, *, after_number: int | None = None) -> str:
    """Return what the ticket says first: what, since when, by which rule, when it clears."""
    rule, version = alert.rule, alert.rule_version
    lines = [
        f"{ticket_subject(alert)}.",
        _("Measured: %(value)s, since %(at)s (time of the device's sample).")
        % {"value": value_words(rule.metric, alert.value), "at": _time(alert.opened_at)},
        _("Rule “%(rule)s”, version %(number)d: fires at %(condition)s; clears %(clear)s.")
        % {
            "rule": rule.name,
            "number": version.number,
            "condition": condition_words(rule, version),
            "clear": clear_words(rule, version),
        },
    ]
    if after_number is not None:
        lines.append(
            _("Ticket %(number)d about this was resolved, but it is still true.")
            % {"number": after_number}
        )
    return "\n".join(lines)


def joined_note(alert: Alert) -> str:
    """Return the system line on a ticket that one more alert has joined."""
    return _("One more alert: %(what)s, since %(at)s.") % {
        "what": ticket_subject(alert),
        "at": _time(alert.opened_at),
    }


def cleared_note(alert: Alert, why: str) -> str:
    """Return the system line on a ticket whose alert is over."""
    return _("Alert over at %(at)s: %(what)s. %(why)s") % {
        "at": _time(alert.closed_at or alert.opened_at),
        "what": ticket_subject(alert),
        "why": why,
    }


def still_true_note(alert: Alert, number: int) -> str:
    """Return the system line on a resolved ticket whose alert had to open another."""
    return _("Still true after this was resolved: %(what)s. Ticket %(number)d goes on.") % {
        "what": ticket_subject(alert),
        "number": number,
    }


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _plain(text: str) -> str:
    """Return words for stored text: searching for "93 %" should find it."""
    return text.replace(NBSP, " ")
