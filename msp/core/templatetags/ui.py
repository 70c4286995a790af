"""The design system's parts as template tags; `/ui/` shows each of them in every state.

Listed as a template builtin, so no template needs `{% load ui %}`. Leaves are `simple_tag`s,
parts with inner structure are `inclusion_tag`s on `templates/components/`, and parts that wrap
content are `simple_block_tag`s. Everything given to a tag is escaped unless it is marked safe.
Tags read the clock through `msp.core.clock` and ask the database nothing.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField
from django.template.context import Context
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, ngettext, pgettext

from msp.core import clock
from msp.core.money import Money, quantum, round_money

register = template.Library()

NBSP = "\u00a0"
MINUS = "\u2212"
DASH = "–"
ELLIPSIS = "…"


# ------------------------------------------------------------------------------------ attributes


def _attributes(values: Mapping[str, Any]) -> SafeString:
    """Return HTML attributes; `hx_get` becomes `hx-get`, True a bare name, None and False nothing.

    Errors: ValueError for `style` and `on…`, which the content policy forbids anyway.
    """
    pairs = []
    for raw, value in values.items():
        name = raw.rstrip("_").replace("_", "-").lower()
        if name == "style" or name.startswith("on") or name.startswith("hx-on"):
            raise ValueError(f"The content policy forbids the attribute {name!r}.")
        if not name.replace("-", "").isalnum():
            raise ValueError(f"{raw!r} is not an attribute name.")
        if value is None or value is False or value == "":
            continue
        pairs.append((name, "" if value is True else value))
    return format_html_join("", ' {}="{}"', pairs)


def _get(source: Any, name: str, default: Any = None) -> Any:
    """Return a key of a mapping or an attribute of an object."""
    if isinstance(source, Mapping):
        return source.get(name, default)
    return getattr(source, name, default)


def _classes(*names: str) -> str:
    return " ".join(name for name in names if name)


def _label_of(value: Any) -> str:
    """Return the words for a choice: its label if it has one, else the key made readable."""
    label = getattr(value, "label", None)
    return str(label) if label else str(value).replace("_", " ").capitalize()


# ------------------------------------------------------------------------------------------ icon


@register.simple_tag
def icon(name: str, label: str = "", cls: str = "") -> SafeString:
    """Draw a symbol of `icons.svg`.

    Without a label it is decoration and hidden from screen readers.
    """
    href = f"{static('icons.svg')}#{name}"
    if label:
        return format_html(
            '<svg class="{}" role="img" aria-label="{}"><use href="{}"/></svg>',
            _classes("i", cls),
            label,
            href,
        )
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}"/></svg>',
        _classes("i", cls),
        href,
    )


# ---------------------------------------------------------------------------------------- button

_VARIANTS = {
    "": "",
    "primary": "pri",
    "ghost": "ghost",
    "danger": "dan",
    "danger-fill": "dan fill",
}
_SIZES = {"": "", "small": "s", "big": "big"}


def _button_parts(
    label: Any, icon_name: str, end_icon: str, key: str, hide_label: bool, busy: bool
) -> SafeString:
    parts = []
    if busy:
        parts.append(mark_safe('<span class="spin"></span>'))
    elif icon_name:
        parts.append(icon(icon_name))
    if hide_label:
        parts.append(format_html('<span class="vh">{}</span>', label))
    else:
        parts.append(format_html("{}", label))
    if key and not hide_label:
        parts.append(format_html('<kbd aria-hidden="true">{}</kbd>', _key_words(key)))
    if end_icon:
        parts.append(icon(end_icon))
    return format_html_join("", "{}", ((part,) for part in parts))


def _key_words(key: str) -> str:
    return " ".join(part.capitalize() for part in key.replace("+", " ").split())


@register.simple_tag
def button(
    label: Any,
    href: str = "",
    *,
    icon: str = "",
    variant: str = "",
    size: str = "",
    type: str = "submit",
    key: str = "",
    hide_label: bool = False,
    disabled: bool = False,
    busy: bool = False,
    end_icon: str = "",
    cls: str = "",
    **attrs: Any,
) -> SafeString:
    """Draw a button, or a link that looks like one when `href` is given.

    `variant`: primary, ghost, danger, danger-fill. `size`: small, big. `key` is a shortcut: shown
    beside the label and pressed by `keys.js`. `hide_label` leaves the icon only; the label stays
    for screen readers. Other keywords become attributes (`hx_get`, `data_opens`, `name`).
    """
    classes = _classes("btn", _VARIANTS[variant], _SIZES[size], "sq" if hide_label else "", cls)
    inner = _button_parts(label, icon, end_icon, key, hide_label, busy)
    extra: dict[str, Any] = {
        "data_key": key,
        "title": label if hide_label else None,
    } | attrs
    if href and not disabled:
        return format_html(
            '<a class="{}" href="{}"{}>{}</a>', classes, href, _attributes(extra), inner
        )
    extra |= {"disabled": disabled, "aria_busy": "true" if busy else None}
    return format_html(
        '<button type="{}" class="{}"{}>{}</button>',
        type,
        classes,
        _attributes(extra),
        inner,
    )


@register.simple_tag(takes_context=True)
def post_button(
    context: Context,
    label: Any,
    action: str,
    *,
    fields: Mapping[str, Any] | None = None,
    form_cls: str = "",
    **options: Any,
) -> SafeString:
    """Draw a form of one button that posts to `action`, with the CSRF token.

    `fields` become hidden inputs; the other options are those of `button`. A click that changes
    something is always a POST, so this is the tag for it.
    """
    hidden = format_html_join(
        "", '<input type="hidden" name="{}" value="{}">', (fields or {}).items()
    )
    token = context.get("csrf_token", "")
    return format_html(
        '<form class="{}" method="post" action="{}">'
        '<input type="hidden" name="csrfmiddlewaretoken" value="{}">{}{}</form>',
        _classes("inline-form", form_cls),
        action,
        token,
        hidden,
        button(label, **options),
    )


# --------------------------------------------------------------------- badge, status, priority


@register.simple_tag
def badge(
    text: Any, tone: str = "", *, icon: str = "", size: str = "", cls: str = ""
) -> SafeString:
    """Draw a badge. `tone`: "" (grey), line, bad, warn, ok, acc, vip, note. `size`: xs."""
    return format_html(
        '<span class="{}">{}{}</span>',
        _classes("badge", tone, size, cls),
        _icon_or_nothing(icon),
        text,
    )


def _icon_or_nothing(name: str) -> SafeString | str:
    return icon(name) if name else ""


#: Status key -> icon, class. One table for every noun, so that "resolved" looks the same anywhere.
STATUS_LOOKS: dict[str, tuple[str, str]] = {
    # tickets
    "new": ("circle-dashed", ""),
    "open": ("circle-dot", "on"),
    "in_progress": ("circle-dot", "on"),
    "assigned": ("circle-dot", "on"),
    "waiting": ("circle-pause", ""),
    "waiting_client": ("circle-pause", ""),
    "waiting_on_client": ("circle-pause", ""),
    "waiting_vendor": ("hourglass", ""),
    "waiting_on_vendor": ("hourglass", ""),
    "scheduled": ("calendar-clock", ""),
    "resolved": ("circle-check", "done"),
    "closed": ("circle-check", ""),
    "merged": ("merge", ""),
    "cancelled": ("x", ""),
    # alerts
    "firing": ("octagon-alert", "fail"),
    "acknowledged": ("eye", "on"),
    "muted": ("bell-off", ""),
    "cleared": ("circle-check", "done"),
    # devices
    "online": ("circle-check", "done"),
    "active": ("circle-check", "done"),
    "stale": ("clock", "late"),
    "offline": ("wifi-off", "fail"),
    "pending": ("hourglass", "late"),
    "quarantined": ("lock", "late"),
    "revoked": ("user-x", ""),
    "retired": ("circle", ""),
    # time and money
    "draft": ("circle-dashed", ""),
    "submitted": ("circle-dot", "on"),
    "approved": ("circle-check", "done"),
    "rejected": ("octagon-alert", "fail"),
    "posted": ("circle-check", "on"),
    "issued": ("circle-check", "on"),
    "paid": ("circle-check", "done"),
    "void": ("x", ""),
    "failed": ("octagon-alert", "fail"),
    "done": ("circle-check", "done"),
    "archived": ("circle", ""),
}


@register.simple_tag
def status(key: Any, label: Any = "", *, cls: str = "") -> SafeString:
    """Draw a status as icon and words.

    `key` is the stored value (`STATUS_LOOKS` gives its icon; an unknown one gets a plain circle).
    Without a label, the choice's own label or the key itself is shown.
    """
    symbol, look = STATUS_LOOKS.get(str(key), ("circle", ""))
    return format_html(
        '<span class="{}">{}{}</span>',
        _classes("status", look, cls),
        icon(symbol),
        label or _label_of(key),
    )


@register.simple_tag
def priority(value: Any, label: Any = "") -> SafeString:
    """Draw a priority 1 to 4 (also "p1", "P1"): shape first, and red for 1 only."""
    text = str(value).lower().removeprefix("p")
    level = int(text) if text in {"1", "2", "3", "4"} else 4
    return format_html(
        '<span class="pri-t p{}">{}{}</span>',
        level,
        icon(f"pri{level}"),
        label or f"P{level}",
    )


# ----------------------------------------------------------------------------------- SLA badge


@dataclass(frozen=True)
class SlaBadge:
    """One promise, ready to be drawn.

    `state`: running, half, soon, warn, past, paused, met or none. `label` are the words at render
    time. `due_at` lets the browser count on; leave it out for a stopped clock. `fraction` is the
    used part of the promise, 0–1. `target` names what is due ("Reply", "Resolve").
    """

    state: str
    label: str = ""
    due_at: datetime | None = None
    fraction: float = 0.0
    target: str = ""


#: State -> class of the badge. The ring tells the state without colour.
_SLA_CLASSES = {
    "running": "",
    "half": "",
    "soon": "soon",
    "warn": "warn",
    "past": "bad",
    "paused": "pause",
    "met": "met",
    "missed": "bad",
    "none": "pause",
}
_SLA_ICONS = {
    "past": "triangle-alert",
    "missed": "triangle-alert",
    "paused": "pause",
    "met": "check",
}
_TICKING = {"running", "half", "soon", "warn", "past"}
SOON_SECONDS = 60 * 60  #: amber words
WARN_SECONDS = 30 * 60  #: amber plate


def remaining_words(seconds: float) -> str:
    """Return the words for the time to a due moment: `26 min left`, `5 h 21 min`, `42 min over`."""
    if seconds < 0:
        over = max(1, math.floor(-seconds / 60))
        return gettext("%(time)s over") % {"time": duration_minutes(over, days=True)}
    minutes = math.ceil(seconds / 60)
    if minutes <= SOON_SECONDS // 60:
        return gettext("%(time)s left") % {"time": duration_minutes(minutes)}
    return duration_minutes(minutes, days=True)


def sla_state(seconds: float, fraction: float) -> str:
    """Return the state of a running clock from the seconds left and the used part (0–1)."""
    if seconds < 0:
        return "past"
    if seconds <= WARN_SECONDS:
        return "warn"
    if seconds <= SOON_SECONDS:
        return "soon"
    return "half" if fraction >= 0.5 else "running"


def _ring(fraction: float) -> SafeString:
    used = round(min(max(fraction, 0.0), 1.0) * 100)
    return format_html(
        '<svg class="ring" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="6"/>'
        '<circle cx="8" cy="8" r="6" pathLength="100" stroke-dasharray="{} 100"'
        ' transform="rotate(-90 8 8)"/></svg>',
        used,
    )


@register.simple_tag
def sla_badge(sla: Any, *, due: bool = False, id: str = "") -> SafeString:
    """Draw a promise as ring, words and colour; a running one counts on in the browser.

    `sla` is an `SlaBadge`, or any mapping or object with its fields. `due=True` adds a second line
    with target and due time ("Resolve · 15:40") in the reader's zone. None draws a dash.
    """
    if not sla:
        return format_html('<span class="sla pause"{}>{}</span>', _attributes({"id": id}), DASH)
    state = str(_get(sla, "state", "none"))
    due_at: datetime | None = _get(sla, "due_at")
    fraction = float(_get(sla, "fraction") or 0.0)
    label = _get(sla, "label") or ""
    ticking = state in _TICKING and due_at is not None
    if not label:
        if ticking and due_at is not None:
            label = remaining_words((due_at - clock.now()).total_seconds())
        else:
            label = {
                "paused": gettext("Paused"),
                "met": gettext("met"),
                "missed": gettext("missed"),
                "none": DASH,
            }.get(state, state)
    if state in _SLA_ICONS:
        mark: SafeString | str = icon(_SLA_ICONS[state])
    elif state == "none":
        mark = ""
    else:
        mark = _ring(fraction)
    attributes = {
        "id": id,
        "class": _classes("sla", _SLA_CLASSES.get(state, "")),
        "data_state": state,
        "data_due": due_at.isoformat() if ticking and due_at else None,
        "data_fraction": f"{fraction:.4f}" if ticking else None,
    }
    element = format_html(
        "<sla-badge{}>{}<span>{}</span></sla-badge>",
        _attributes(attributes),
        mark,
        label,
    )
    if not due:
        return element
    target = str(_get(sla, "target") or "")
    when = local_time(due_at, "smart") if due_at and state not in {"met", "none"} else ""
    joiner = " · " if target and when else ""
    return format_html(
        '<span class="two">{}<span class="s">{}{}{}</span></span>',
        element,
        target,
        joiner,
        when,
    )


# ---------------------------------------------------------------------------------------- avatar


def initials(name: str) -> str:
    """Return one or two letters for a name: first and last word."""
    words = [word for word in name.replace("@", " ").split() if word[0].isalnum()]
    if not words:
        return "?"
    if len(words) == 1:
        return words[0][:2].upper()
    return (words[0][0] + words[-1][0]).upper()


@register.simple_tag
def avatar(
    name: Any,
    *,
    size: str = "",
    square: bool = False,
    here: bool = False,
    decorative: bool = False,
) -> SafeString:
    """Draw a person's or client's initials on a quiet tint that always goes with the name.

    `size`: l, xl. `here` rings who is viewing now. `decorative` hides it from screen readers, for
    when the name stands beside it. An empty name draws "unassigned".
    """
    name = str(name or "").strip()
    if not name:
        return format_html(
            '<span class="av none">{}<span class="vh">{}</span></span>',
            icon("plus"),
            gettext("Unassigned"),
        )
    tint = "abcde"[zlib.crc32(name.encode()) % 5]
    classes = _classes("av", tint, size, "sq" if square else "", "here" if here else "")
    if decorative:
        return format_html('<span class="{}" aria-hidden="true">{}</span>', classes, initials(name))
    label = gettext("%(name)s, viewing") % {"name": name} if here else name
    return format_html(
        '<span class="{}" role="img" aria-label="{}" title="{}">{}</span>',
        classes,
        label,
        label,
        initials(name),
    )


# ------------------------------------------------------------------------------------------ time


def _full_time(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{date_format(local, 'D j M Y H:i')} {local.tzname()}"


def ago_words(seconds: float) -> str:
    """Return a distance in time as words: `just now`, `3 min ago`, `in 2 h`, `5 d ago`."""
    distance = abs(seconds)
    if distance < 45:
        return gettext("just now")
    if distance < 59.5 * 60:
        n, unit = max(1, round(distance / 60)), gettext("min")
    elif distance < 23.5 * 3600:
        n, unit = max(1, round(distance / 3600)), pgettext("hours, short", "h")
    else:
        n, unit = max(1, round(distance / 86400)), pgettext("days, short", "d")
    text = gettext("%(n)s %(unit)s ago") if seconds >= 0 else gettext("in %(n)s %(unit)s")
    return text % {"n": n, "unit": unit}


@register.simple_tag
def time_ago(moment: datetime | None, *, cls: str = "", never: Any = "") -> SafeString:
    """Draw how long ago a moment was; the full time is in the title, and the browser counts on."""
    if not moment:
        return format_html('<span class="{}">{}</span>', cls, never or gettext("never"))
    return format_html(
        "<time{}>{}</time>",
        _attributes(
            {
                "datetime": moment.isoformat(),
                "title": _full_time(moment),
                "data_ago": True,
                "class": cls,
            }
        ),
        ago_words((clock.now() - moment).total_seconds()),
    )


@register.simple_tag
def local_time(
    moment: datetime | date | None, style: str = "short", *, cls: str = ""
) -> SafeString:
    """Draw a moment in the reader's zone.

    `style`: short (24 Nov 14:05), smart (the time alone when it is today), time, date, full (with
    the zone). None draws a dash.
    """
    if not moment:
        return format_html("{}", DASH)
    if not isinstance(moment, datetime):
        return format_html(
            "<time{}>{}</time>",
            _attributes({"datetime": moment.isoformat(), "class": cls}),
            date_format(moment, "j M Y"),
        )
    local = timezone.localtime(moment)
    today = timezone.localtime(clock.now())
    if style == "smart":
        style = "time" if local.date() == today.date() else "short"
    if style == "time":
        text = date_format(local, "H:i")
    elif style == "date":
        text = date_format(local, "j M Y")
    elif style == "full":
        text = _full_time(moment)
    else:
        text = date_format(local, "j M H:i" if local.year == today.year else "j M Y H:i")
    return format_html(
        "<time{}>{}</time>",
        _attributes({"datetime": moment.isoformat(), "title": _full_time(moment), "class": cls}),
        text,
    )


# --------------------------------------------------------------------------------------- numbers

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "CHF": "CHF", "NZD": "NZ$", "AUD": "A$"}


@register.filter(name="money")
@register.simple_tag
def money(amount: Any, currency: str = "EUR") -> str:
    """Return an amount with its currency: `€1,234.50` in English, `1.234,50 €` in German.

    `amount` is a `Money`, or a Decimal (or its text) in units of `currency`.
    """
    if isinstance(amount, Money):
        amount, currency = amount.amount, amount.currency
    if amount is None or amount == "":
        return DASH
    try:
        value = round_money(Decimal(str(amount)), currency)
    except InvalidOperation:
        return DASH
    sign = MINUS if value < 0 else ""
    places = max(0, -int(quantum(currency).as_tuple().exponent))
    text = number_format(abs(value), places, use_l10n=True, force_grouping=True)
    symbol = _SYMBOLS.get(currency, currency)
    if (get_language() or "en").startswith("en"):
        return f"{sign}{symbol}{NBSP if symbol.isalpha() else ''}{text}"
    return f"{sign}{text}{NBSP}{symbol}"


@register.filter
def whole(value: Any) -> str:
    """Return a whole number with its thousands apart: `1,284`."""
    if value is None or value == "":
        return DASH
    return number_format(round(float(value)), 0, use_l10n=True, force_grouping=True)


_BYTE_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


@register.filter(name="bytes")
@register.simple_tag(name="bytes")
def byte_words(value: Any) -> str:
    """Return a byte count in the units technicians read, 1 KB being 1,024 bytes: `15.6 GB`."""
    if value is None or value == "":
        return DASH
    amount = float(value)
    sign, amount, unit = MINUS if amount < 0 else "", abs(amount), 0
    while amount >= 1023.5 and unit < len(_BYTE_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    digits = 1 if unit and amount < 99.95 else 0
    return f"{sign}{number_format(round(amount, digits), digits)}{NBSP}{_BYTE_UNITS[unit]}"


@register.filter(name="percent")
@register.simple_tag
def percent(ratio: Any, digits: int = 0) -> str:
    """Return a ratio (0–1) as per cent: `8 %`; None is a dash."""
    if ratio is None or ratio == "" or math.isnan(float(ratio)):
        return DASH
    return f"{number_format(round(float(ratio) * 100, int(digits)), int(digits))}{NBSP}%"


@register.filter(name="duration_minutes")
@register.simple_tag
def duration_minutes(minutes: Any, *, days: bool = False) -> str:
    """Return minutes as words: `50 min`, `2 h 05 min`; with `days`, `3 d 4 h` from a day up."""
    if minutes is None or minutes == "":
        return DASH
    total = round(float(minutes))
    sign, total = MINUS if total < 0 else "", abs(total)
    if total < 60:
        return f"{sign}{total} {gettext('min')}"
    hours, rest = divmod(total, 60)
    if days and hours >= 24:
        whole, hours = divmod(hours, 24)
        words = f"{whole} {pgettext('days, short', 'd')}"
        return f"{sign}{words} {hours} {pgettext('hours, short', 'h')}" if hours else sign + words
    words = f"{hours} {pgettext('hours, short', 'h')}"
    return f"{sign}{words} {rest:02d} {gettext('min')}" if rest else sign + words


# ------------------------------------------------------------------------------------------ form


def _shape_widget(field: BoundField, wide_rows: int) -> tuple[str, dict[str, Any]]:
    """Return the kind of a field's control and the attributes it gets."""
    widget = field.field.widget
    if isinstance(widget, forms.CheckboxInput):
        return "check", {}
    if isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        return "choices", {}
    if isinstance(widget, forms.Textarea):
        return "text", {"class": "input", "rows": wide_rows}
    if isinstance(widget, forms.DateTimeInput):
        widget.input_type, widget.format = "datetime-local", "%Y-%m-%dT%H:%M"
    elif isinstance(widget, forms.DateInput):
        widget.input_type, widget.format = "date", "%Y-%m-%d"
    elif isinstance(widget, forms.TimeInput):
        widget.input_type, widget.format = "time", "%H:%M"
    return "text", {"class": "input"}


@register.inclusion_tag("components/field.html")
def field(
    bound: BoundField,
    *,
    label: Any = "",
    help: Any = "",
    rows: int = 4,
    hide_label: bool = False,
    cls: str = "",
    **attrs: Any,
) -> dict[str, Any]:
    """Draw a form field: label, control, help, errors, tied together for screen readers.

    Works for any bound field: text, textarea, select, radio, checkbox, date, datetime, file. Dates
    get the browser's own picker. Other keywords become attributes of the control.
    """
    _name_empty_choice(bound)
    kind, control_attrs = _shape_widget(bound, rows)
    own_id = bound.auto_id or bound.html_name
    help_text = help or bound.help_text
    described = [
        f"{own_id}_help" if help_text else "",
        f"{own_id}_error" if bound.errors else "",
    ]
    for raw, value in attrs.items():
        # Django leaves out False only; None would be written as a word.
        control_attrs[raw.rstrip("_").replace("_", "-")] = False if value is None else value
    if any(described) and kind != "choices":
        control_attrs["aria-describedby"] = " ".join(name for name in described if name)
    return {
        "bound": bound,
        "kind": "hidden" if bound.is_hidden else kind,
        "control": bound.as_widget(attrs=control_attrs),
        "options": list(bound.subwidgets) if kind == "choices" else [],
        "own_id": own_id,
        "label": label or bound.label,
        "help": help_text,
        "described": " ".join(name for name in described if name),
        "hide_label": hide_label,
        "optional": not bound.field.required and kind == "text" and not hide_label,
        "cls": cls,
    }


def _name_empty_choice(bound: BoundField) -> None:
    """Say in words what an empty choice means, where the form did not: Django writes dashes."""
    if getattr(bound.field, "empty_label", None) == "---------":
        words = (
            pgettext("choice", "Choose…") if bound.field.required else pgettext("choice", "None")
        )
        bound.field.empty_label = words  # type: ignore[attr-defined]


@register.inclusion_tag("components/fields.html")
def fields(form: forms.BaseForm) -> dict[str, Any]:
    """Draw every field of a form, with the errors that belong to none above them."""
    return {"form": form}


@register.inclusion_tag("components/form_errors.html")
def form_errors(form: forms.BaseForm) -> dict[str, Any]:
    """Draw the errors of a form that belong to no field; nothing if there are none."""
    return {"errors": form.non_field_errors()}


# ------------------------------------------------------------------------------- parts that wrap


@register.simple_block_tag(end_name="endcard")
def card(
    content: str,
    title: Any = "",
    *,
    icon: str = "",
    end: Any = "",
    flush: bool = False,
    id: str = "",
    cls: str = "",
    **attrs: Any,
) -> SafeString:
    """Wrap content in a card, with a heading and something small at its end if wished.

    `end` is text or safe markup (a badge, a link). `flush` leaves out the inner padding, for tables
    and lists that reach the edge.
    """
    heading: SafeString | str = ""
    if title:
        heading = format_html(
            "<header>{}<h2>{}</h2>{}</header>",
            _icon_or_nothing(icon),
            title,
            format_html('<span class="end s t3">{}</span>', end) if end else "",
        )
    inner = "" if flush else "in"
    if not title and not flush:
        inner = "in solo"
    return format_html(
        '<section{}>{}<div class="{}">{}</div></section>',
        _attributes({"class": _classes("card", cls), "id": id} | attrs),
        heading,
        inner,
        content,
    )


@register.simple_block_tag(end_name="endbanner")
def banner(
    content: str,
    tone: str = "",
    *,
    title: Any = "",
    icon: str = "",
    alert: bool = False,
) -> SafeString:
    """Wrap a message that stays on the page. `tone`: "", bad, warn, ok, acc, note.

    `alert=True` has it read out at once, for the answer to what the reader just did.
    """
    symbol = icon or {
        "bad": "octagon-alert",
        "warn": "triangle-alert",
        "ok": "circle-check",
    }.get(tone, "info")
    return format_html(
        '<div class="{}"{}>{}<div class="grow">{}{}</div></div>',
        _classes("banner", tone),
        mark_safe(' role="alert"') if alert else "",
        _icon_or_nothing(symbol),
        format_html("<b>{}</b> ", title) if title else "",
        content,
    )


@register.simple_block_tag(end_name="enddialog")
def dialog(content: str, id: str, title: Any, *, cls: str = "") -> SafeString:
    """Wrap content in a modal dialog; a button with `data_opens` naming its id opens it.

    Without script it is closed, so nothing that must be reachable belongs only here.
    """
    return format_html(
        '<dialog class="{}" id="{}" aria-labelledby="{}-title">'
        '<header class="line"><h2 id="{}-title">{}</h2><form method="dialog" class="end">{}</form>'
        "</header>{}</dialog>",
        _classes("dialog", cls),
        id,
        id,
        id,
        title,
        button(gettext("Close"), icon="x", variant="ghost", hide_label=True),
        content,
    )


_ENTRY_ICONS = {"call": "phone", "system": "zap"}


@register.simple_block_tag(end_name="endtimeline_entry")
def timeline_entry(
    content: str,
    kind: str = "system",
    *,
    author: Any = "",
    at: datetime | None = None,
    meta: Any = "",
    icon: str = "",
    new: bool = False,
    id: str = "",
) -> SafeString:
    """Wrap one entry of a ticket's story.

    `kind`: in (from the client), out (from us), note (internal, warm paper and a lock), call,
    system (one line with an icon). `new` marks what the reader has not seen.
    """
    when = local_time(at, "smart") if at else ""
    if kind == "system":
        return format_html(
            '<div class="ev sys"{}><span class="gl">{}</span>'
            '<div class="line-text">{}{}{}</div></div>',
            _attributes({"id": id}),
            _icon_or_nothing(icon or "zap"),
            content,
            mark_safe(' <span aria-hidden="true">·</span> ') if when else "",
            when,
        )
    if kind == "call":
        mark: SafeString | str = format_html(
            '<span class="gl">{}</span>', _icon_or_nothing(icon or "phone-outgoing")
        )
    else:
        mark = avatar(author, decorative=True)
    note = (
        format_html("{}<em>{}</em>", _icon_or_nothing("lock"), gettext("Internal note"))
        if kind == "note"
        else ""
    )
    return format_html(
        '<article class="{}"{}>{}<div><p class="meta"><b>{}</b>{}{}{}</p>'
        '<div class="msg">{}</div></div></article>',
        _classes("ev", kind, "new" if new else ""),
        _attributes({"id": id}),
        mark,
        author,
        note,
        format_html("<span>{}</span>", meta) if meta else "",
        when,
        content,
    )


# --------------------------------------------------------------------------------- small parts


@register.inclusion_tag("components/empty_state.html")
def empty_state(
    title: Any,
    text: Any = "",
    *,
    icon: str = "inbox",
    action_label: Any = "",
    action_url: str = "",
) -> dict[str, Any]:
    """Say why a list is empty and offer the next step."""
    return {
        "title": title,
        "text": text,
        "icon_name": icon,
        "action_label": action_label,
        "action_url": action_url,
    }


@register.inclusion_tag("components/tabs.html")
def tabs(items: Iterable[Any], label: Any, *, under: bool = False) -> dict[str, Any]:
    """Draw tabs that are links.

    `items`: mappings or objects with `label`, `url`, `current`, and perhaps `count` and `icon`.
    `label` names the group for screen readers. `under` is the style inside a page.
    """
    rows = [
        {
            "label": _get(item, "label"),
            "url": _get(item, "url"),
            "current": bool(_get(item, "current")),
            "count": _get(item, "count"),
            "icon": _get(item, "icon", ""),
        }
        for item in items
    ]
    return {"items": rows, "label": label, "under": under}


@register.inclusion_tag("components/pager.html")
def pager(
    *,
    prev_url: str = "",
    next_url: str = "",
    text: Any = "",
    target: str = "",
) -> dict[str, Any]:
    """Draw the foot of a list paged by key: what is shown, back, on.

    `target` is a selector; with it the links also swap that element by htmx (`morph:outerHTML`).
    """
    return {"prev_url": prev_url, "next_url": next_url, "text": text, "target": target}


@register.simple_tag
def progress(fraction: Any, tone: str = "", *, label: Any = "", cls: str = "") -> SafeString:
    """Draw a bar filled to `fraction` (0–1). `tone`: "" (ink), acc, ok, warn, bad."""
    used = round(min(max(float(fraction or 0), 0.0), 1.0) * 100, 1)
    naming = (
        format_html(' role="img" aria-label="{}"', label)
        if label
        else mark_safe(' aria-hidden="true"')
    )
    return format_html(
        '<svg class="{}" viewBox="0 0 100 4" preserveAspectRatio="none"{}>'
        '<rect width="100" height="4" rx="1"/><rect width="{}" height="4" rx="1"/></svg>',
        _classes("bar3", tone, cls),
        naming,
        used,
    )


@register.inclusion_tag("components/tile.html")
def tile(
    label: Any,
    value: Any,
    *,
    unit: Any = "",
    detail: Any = "",
    href: str = "",
    tone: str = "",
    stale: bool = False,
) -> dict[str, Any]:
    """Draw one figure with its meaning; `href` opens the list it counts. Wrap tiles in `.tiles`."""
    return {
        "label": label,
        "value": value,
        "unit": unit,
        "detail": detail,
        "href": href,
        "tone": tone,
        "stale": stale,
    }


@register.simple_tag
def copy_button(text: Any, label: Any = "") -> SafeString:
    """Draw a button that copies `text` to the clipboard; it appears only where script runs."""
    return format_html(
        '<copy-button data-text="{}"><button type="button" class="btn s" hidden>{}<span>{}</span>'
        "</button></copy-button>",
        text,
        icon("copy"),
        label or gettext("Copy"),
    )


# ---------------------------------------------------------------------------------------- charts

_BEAT_LOOKS = {
    "ok": ("", 6, 14),
    "slow": ("w", 3, 17),
    "missed": ("x", 0, 20),
    "none": ("m", 14, 6),
}
_BEAT_STEP = 4


@register.simple_tag
def heartbeat(beats: Sequence[str], label: Any, *, cls: str = "") -> SafeString:
    """Draw check-ins as bars: ok is low and quiet, slow taller and amber, missed full and red.

    `beats`: ok, slow, missed or none (no data), oldest first. `label` says it in words.
    """
    bars = []
    for index, beat in enumerate(beats):
        look, top, height = _BEAT_LOOKS.get(beat, _BEAT_LOOKS["none"])
        bars.append((index * _BEAT_STEP, top, height, _attributes({"class": look})))
    return format_html(
        '<svg class="{}" viewBox="0 0 {} 20" preserveAspectRatio="none" role="img"'
        ' aria-label="{}">{}</svg>',
        _classes("beats", cls),
        max(len(beats) * _BEAT_STEP - 1, 1),
        label,
        format_html_join("", '<rect x="{}" y="{}" width="2.6" height="{}"{}/>', bars),
    )


def _number(value: Any) -> float | None:
    """Return a finite float; None for missing and not-a-number."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


@register.simple_tag
def sparkline(values: Sequence[Any], label: Any, *, tone: str = "", cls: str = "") -> SafeString:
    """Draw a small line without axes; None breaks it. `tone`: acc. `label` says it in words."""
    numbers = [_number(value) for value in values]
    known = [number for number in numbers if number is not None]
    if not known:
        return format_html('<span class="t3">{}</span>', gettext("no data"))
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    step = 100 / max(len(numbers) - 1, 1)
    marks: list[str] = []
    pen_down = False
    for index, number in enumerate(numbers):
        if number is None:
            pen_down = False
            continue
        marks.append(
            f"{'L' if pen_down else 'M'}{index * step:.1f} {18 - (number - low) / span * 16:.1f}"
        )
        pen_down = True
    return format_html(
        '<svg class="{}" viewBox="0 0 100 20" preserveAspectRatio="none" role="img"'
        ' aria-label="{}"><path d="{}"/></svg>',
        _classes("spark", tone, cls),
        label,
        "".join(marks),
    )


CHART_WIDTH = 1000  #: units of the stretched inner drawing
CHART_BUCKETS = 400  #: more points than that cannot be told apart on a screen
TABLE_ROWS = 24
GAP_FACTOR = 2.5  #: a step this many times the usual one is a gap, not a line
TOP_SPACE = 22  #: pixels above the plot, for the label of the threshold
FOOT_SPACE = 20  #: pixels below it, for the times
_TIME_STEPS = (
    60,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10800,
    21600,
    43200,
    86400,
    2 * 86400,
    7 * 86400,
    30 * 86400,
)


@dataclass(frozen=True)
class _Bucket:
    """A stretch of one chart: its start (s since the epoch), and least, mean, greatest value."""

    at: float
    low: float
    mean: float
    high: float


def _seconds(moment: Any) -> float:
    """Return seconds since the epoch from an aware datetime, or from integer milliseconds."""
    if isinstance(moment, datetime):
        return moment.timestamp()
    return float(moment) / 1000


def _runs(
    points: Sequence[tuple[float, float | None]],
) -> list[list[tuple[float, float]]]:
    """Split points where a value is missing or the step is far above the usual one."""
    known = [at for at, value in points if value is not None]
    steps = sorted(b - a for a, b in pairwise(known))
    usual = steps[len(steps) // 2] if steps else 0.0
    runs: list[list[tuple[float, float]]] = []
    current: list[tuple[float, float]] = []
    for at, value in points:
        if current and (value is None or at - current[-1][0] > usual * GAP_FACTOR):
            runs.append(current)
            current = []
        if value is not None:
            current.append((at, value))
    if current:
        runs.append(current)
    return runs


def _buckets(
    points: Sequence[tuple[float, float]], count: int, t0: float, t1: float
) -> list[_Bucket]:
    """Gather points into at most `count` equal stretches of time."""
    if not points:
        return []
    width = (t1 - t0) / count or 1.0
    found: dict[int, list[float]] = {}
    for at, value in points:
        found.setdefault(min(int((at - t0) / width), count - 1), []).append(value)
    return [
        _Bucket(t0 + index * width, min(v), sum(v) / len(v), max(v))
        for index, v in sorted(found.items())
    ]


def _thin(run: list[tuple[float, float]], t0: float, t1: float) -> list[tuple[float, float]]:
    """Keep least and greatest value of each stretch, so that no peak is lost."""
    if len(run) <= CHART_BUCKETS:
        return run
    width = (t1 - t0) / CHART_BUCKETS or 1.0
    kept: list[tuple[float, float]] = []
    bucket: list[tuple[float, float]] = []
    edge = run[0][0] + width
    for point in [*run, (math.inf, 0.0)]:
        if point[0] >= edge and bucket:
            ends = {min(bucket, key=lambda p: p[1]), max(bucket, key=lambda p: p[1])}
            kept.extend(sorted(ends))
            bucket = []
            while math.isfinite(point[0]) and point[0] >= edge:
                edge += width
        bucket.append(point)
    return kept


def _nice_top(value: float) -> float:
    """Return the next round number at or above a positive value: 1, 2, 2.5, 5 times a power."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= value * 0.999)


def _nice_bytes(value: float) -> float:
    unit = 1024.0 ** max(0, math.floor(math.log(max(value, 1), 1024)))
    return _nice_top(value / unit) * unit


def quantity(value: float | None, unit: str) -> str:
    """Return a measured value with its unit; `ratio` is shown in per cent, `By` in KB to TB."""
    if value is None:
        return DASH
    if unit in {"ratio", "1"}:
        return percent(value, 0 if value >= 0.1 or value == 0 else 1)
    if unit == "By":
        return byte_words(value)
    digits = 0 if abs(value) >= 100 or value == int(value) else 1
    return f"{number_format(round(value, digits), digits)}{NBSP}{unit}".rstrip()


def _time_marks(t0: float, t1: float) -> list[tuple[float, str]]:
    """Return about five round moments between two times, with their words in the reader's zone."""
    span = t1 - t0
    step = next((s for s in _TIME_STEPS if span / s <= 6), _TIME_STEPS[-1])
    first = timezone.localtime(datetime.fromtimestamp(t0, UTC))
    offset = (first.utcoffset() or timedelta()).total_seconds()
    at = math.ceil((t0 + offset) / step) * step - offset
    marks = []
    while at <= t1:
        local = timezone.localtime(datetime.fromtimestamp(at, UTC))
        marks.append((at, date_format(local, "H:i" if step < 86400 else "j M")))
        at += step
    return marks


@register.inclusion_tag("components/line_chart.html")
def line_chart(
    points: Sequence[tuple[Any, Any]],
    unit: str = "",
    threshold: float | None = None,
    *,
    label: Any = "",
    id: str = "chart",
    height: int = 150,
    top: float | None = None,
    start: Any = None,
    end: Any = None,
) -> dict[str, Any]:
    """Draw a time series on the server as SVG, with the same figures as a table.

    `points`: (aware datetime or epoch milliseconds, value or None), oldest first. `unit`: `ratio`
    (0–1, drawn to 100 %), `By` (bytes), or any words such as `ms`. Missing values and long pauses
    are gaps in the line. `threshold` is drawn as a dashed line with its value. `start`/`end` fix
    the range when the data do not fill it. `height` in pixels; `top` fixes the scale's upper end.
    """
    series = [(_seconds(at), _number(value)) for at, value in points]
    known = [(at, value) for at, value in series if value is not None]
    if not known:
        return {"empty": True, "label": label, "id": id}
    t0 = _seconds(start) if start is not None else series[0][0]
    t1 = _seconds(end) if end is not None else series[-1][0]
    t1 = max(t1, t0 + 1)
    greatest = max(value for _at, value in known)
    ceiling = max(greatest, threshold or 0.0)
    if top is None:
        if unit in {"ratio", "1"}:
            top = 1.0 if ceiling <= 1 else _nice_top(ceiling)
        else:
            top = _nice_bytes(ceiling) if unit == "By" else _nice_top(ceiling * 1.05)
    plot_height = height - TOP_SPACE - FOOT_SPACE
    scale = top

    def x(at: float) -> float:
        return round((at - t0) / (t1 - t0) * CHART_WIDTH, 1)

    def y(value: float) -> float:
        return round(100 - min(max(value / scale, 0.0), 1.0) * 100, 2)

    runs = _runs(series)
    lines, areas = [], []
    for run in runs:
        thin = _thin(run, t0, t1)
        spots = " ".join(f"{x(at)} {y(value)}" for at, value in thin)
        # A lone point is drawn as a very short line: the round cap makes it a dot.
        lines.append(f"M{spots}" if len(thin) > 1 else f"M{spots} h.01")
        if len(thin) > 1:
            areas.append(f"M{x(thin[0][0])} 100 L{spots} L{x(thin[-1][0])} 100Z")
    marks = []
    for at, words in _time_marks(t0, t1):
        share = x(at) / CHART_WIDTH * 100
        anchor = "start" if share < 4 else "end" if share > 96 else "middle"
        marks.append({"x": round(share, 2), "text": words, "anchor": anchor})
    grid = [
        {
            "y": y(scale * part),
            "px": round(TOP_SPACE + plot_height * y(scale * part) / 100),
            "text": quantity(scale * part, unit),
        }
        for part in (0.0, 0.5, 1.0)
    ]
    limit = None
    if threshold is not None:
        line_px = round(TOP_SPACE + plot_height * y(threshold) / 100)
        limit = {
            "y": y(threshold),
            "px": line_px - 5,
            "text": gettext("alerts above %(value)s") % {"value": quantity(threshold, unit)},
        }
    table = [
        {
            "at": datetime.fromtimestamp(bucket.at, UTC),
            "low": quantity(bucket.low, unit),
            "mean": quantity(bucket.mean, unit),
            "high": quantity(bucket.high, unit),
        }
        for bucket in _buckets(known, TABLE_ROWS, t0, t1)
    ]
    last_at, last = known[-1]
    gaps = len(runs) - 1
    summary = gettext("%(label)s: last %(last)s, least %(low)s, greatest %(high)s") % {
        "label": label,
        "last": quantity(last, unit),
        "low": quantity(min(value for _at, value in known), unit),
        "high": quantity(greatest, unit),
    }
    if gaps:
        summary += ", " + ngettext("%(n)s gap", "%(n)s gaps", gaps) % {"n": gaps}
    return {
        "empty": False,
        "id": id,
        "label": label,
        "summary": summary,
        "last": quantity(last, unit),
        "last_at": datetime.fromtimestamp(last_at, UTC),
        "over": threshold is not None and last > threshold,
        "height": height,
        "plot_top": TOP_SPACE,
        "plot_height": plot_height,
        "label_y": height - 5,
        "lines": " ".join(lines),
        "areas": " ".join(areas),
        "marks": marks,
        "grid": grid,
        "limit": limit,
        "table": table,
        "gaps": gaps,
    }
