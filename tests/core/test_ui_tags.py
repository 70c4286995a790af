"""The parts of the design system, one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from django import forms
from django.template import Context, Template
from django.utils import timezone, translation

from msp.core import clock
from msp.core.money import Money
from msp.core.templatetags import ui
from msp.core.templatetags.ui import SlaBadge

HOSTILE = '"><script>alert(1)</script>'
NOW = datetime(2026, 11, 24, 10, 19, tzinfo=UTC)


def draw(source: str, **values: Any) -> str:
    with clock.at(NOW), timezone.override("UTC"), translation.override("en"):
        return Template(source).render(Context(values))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def parse(markup: str) -> _Tags:
    parser = _Tags()
    parser.feed(markup)
    return parser


class AskForm(forms.Form):
    subject = forms.CharField(help_text="In one line.")
    text = forms.CharField(widget=forms.Textarea, required=False)
    kind = forms.ChoiceField(choices=[("a", "A"), ("b", "B")])
    way = forms.ChoiceField(choices=[("m", "Mail"), ("p", "Phone")], widget=forms.RadioSelect)
    due_on = forms.DateField(required=False)
    starts_at = forms.DateTimeField(required=False)
    tell = forms.BooleanField(required=False)
    secret = forms.CharField(widget=forms.HiddenInput, required=False)


class HostileForm(forms.Form):
    name = forms.CharField(label=HOSTILE, help_text=HOSTILE)
    way = forms.ChoiceField(label=HOSTILE, choices=[(HOSTILE, HOSTILE)], widget=forms.RadioSelect)
    tell = forms.BooleanField(label=HOSTILE, help_text=HOSTILE)


def hostile_form() -> HostileForm:
    form = HostileForm({"name": HOSTILE})
    form.add_error("name", HOSTILE)
    form.add_error("tell", HOSTILE)
    form.add_error(None, HOSTILE)
    return form


@pytest.mark.parametrize(
    "source",
    [
        '{% icon "bell" x %}',
        "{% icon x %}",
        "{% button x %}",
        '{% button x x icon="plus" hide_label=True %}',
        '{% button "Go" type="button" data_opens=x name=x key=x %}',
        "{% post_button x x fields=mapping %}",
        "{% badge x x %}",
        "{% status x x %}",
        "{% status x %}",
        "{% priority 1 x %}",
        "{% sla_badge hostile_sla due=True id=x %}",
        "{% avatar x %}",
        "{% avatar x here=True %}",
        "{% time_ago none never=x %}",
        "{% card x end=x id=x %}{{ x }}{% endcard %}",
        "{% banner x title=x %}{{ x }}{% endbanner %}",
        "{% dialog x x %}{{ x }}{% enddialog %}",
        '{% timeline_entry "in" author=x meta=x id=x %}{{ x }}{% endtimeline_entry %}',
        '{% timeline_entry "note" author=x meta=x %}{{ x }}{% endtimeline_entry %}',
        '{% timeline_entry "call" author=x meta=x icon=x %}{{ x }}{% endtimeline_entry %}',
        '{% timeline_entry "system" icon=x %}{{ x }}{% endtimeline_entry %}',
        "{% empty_state x x action_label=x action_url=x %}",
        "{% tabs items x %}",
        "{% pager prev_url=x next_url=x text=x target=x %}",
        '{% progress 0.5 "acc" label=x %}',
        "{% tile x x unit=x detail=x href=x %}",
        "{% copy_button x x %}",
        "{% heartbeat beats x %}",
        "{% sparkline numbers x %}",
        "{% line_chart points x 3 label=x %}",
        "{% line_chart empty label=x %}",
        "{% field form.name %}",
        "{% field form.way %}",
        "{% field form.tell %}",
        "{% field form.name label=x help=x placeholder=x %}",
        "{% fields form %}",
        "{% form_errors form %}",
    ],
)
def test_escapes_a_hostile_string(source: str) -> None:
    markup = draw(
        source,
        x=HOSTILE,
        mapping={HOSTILE: HOSTILE},
        hostile_sla=SlaBadge(HOSTILE, HOSTILE, NOW, 0.5, HOSTILE),
        items=[{"label": HOSTILE, "url": HOSTILE, "count": HOSTILE, "icon": HOSTILE}],
        beats=["ok", HOSTILE],
        numbers=[1, 2],
        points=[(NOW - timedelta(minutes=m), m) for m in range(9, 0, -1)],
        empty=[],
        none=None,
        form=hostile_form(),
    )
    assert "<script" not in markup
    assert "script" not in [tag for tag, _ in parse(markup).found]


def test_attributes_that_the_policy_forbids_are_refused() -> None:
    for name in ("style", "onclick", "hx_on_click", "hx_on__click"):
        with pytest.raises(ValueError, match="forbids"):
            ui.button("Go", **{name: "x"})


def test_a_button_with_an_address_is_a_link_and_else_a_button() -> None:
    assert draw('{% button "Go" "/x" variant="primary" %}') == '<a class="btn pri" href="/x">Go</a>'
    assert draw('{% button "Go" %}') == '<button type="submit" class="btn">Go</button>'


def test_a_disabled_link_becomes_a_button_nobody_can_follow() -> None:
    (tag, attributes), *_ = parse(draw('{% button "Go" "/x" disabled=True %}')).found
    assert tag == "button"
    assert "disabled" in attributes
    assert "href" not in attributes


def test_post_button_posts_with_the_token() -> None:
    found = parse(draw('{% post_button "Go" "/x" %}', csrf_token="t0ken")).found
    assert found[0] == ("form", {"class": "inline-form", "method": "post", "action": "/x"})
    assert found[1][1]["value"] == "t0ken"


@pytest.mark.parametrize(
    ("left", "fraction", "state", "words"),
    [
        (timedelta(hours=5, minutes=21), 0.18, "running", "5 h 21 min"),
        (timedelta(hours=2, minutes=10), 0.5, "half", "2 h 10 min"),
        (timedelta(minutes=60), 0.6, "soon", "1 h left"),
        (timedelta(minutes=30, seconds=1), 0.6, "soon", "31 min left"),
        (timedelta(minutes=30), 0.8, "warn", "30 min left"),
        (timedelta(seconds=1), 0.99, "warn", "1 min left"),
        (timedelta(seconds=-1), 1.0, "past", "1 min over"),
        (timedelta(minutes=-42), 1.0, "past", "42 min over"),
        (timedelta(days=3, hours=4), 0.1, "running", "3 d 4 h"),
    ],
)
def test_sla_words_and_state_follow_the_time_left(
    left: timedelta, fraction: float, state: str, words: str
) -> None:
    seconds = left.total_seconds()
    assert ui.sla_state(seconds, fraction) == state
    with translation.override("en"):
        text = ui.remaining_words(seconds)
    assert text == words
    markup = draw("{% sla_badge sla %}", sla=SlaBadge(state, "", NOW + left, fraction))
    assert parse(markup).text == text


def test_a_running_sla_badge_tells_the_browser_when_it_is_due() -> None:
    markup = draw("{% sla_badge sla %}", sla=SlaBadge("warn", "", NOW + timedelta(minutes=26), 0.8))
    (_, attributes), *_rest = parse(markup).found
    assert attributes["data-due"] == "2026-11-24T10:45:00+00:00"
    assert attributes["data-state"] == "warn"
    assert attributes["class"] == "sla warn"


def test_a_stopped_sla_badge_does_not_count() -> None:
    for state in ("paused", "met", "missed", "none"):
        markup = draw("{% sla_badge sla %}", sla=SlaBadge(state, "", NOW, 0.8))
        assert "data-due" not in markup


def test_sla_badge_takes_a_mapping_and_shows_target_and_due_time() -> None:
    sla = {
        "state": "running",
        "due_at": NOW + timedelta(hours=5),
        "fraction": 0.1,
        "target": "Resolve",
    }
    assert parse(draw("{% sla_badge sla due=True %}", sla=sla)).text == "5 hResolve · 15:19"


def test_no_sla_is_a_dash() -> None:
    assert parse(draw("{% sla_badge sla %}", sla=None)).text == "–"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (44, "just now"),
        (45, "1 min ago"),
        (59 * 60, "59 min ago"),
        (3590, "1 h ago"),
        (23 * 3600, "23 h ago"),
        (86000, "1 d ago"),
        (5 * 86400, "5 d ago"),
        (-7200, "in 2 h"),
    ],
)
def test_distance_in_time_as_words(seconds: int, words: str) -> None:
    moment = NOW - timedelta(seconds=seconds)
    markup = draw("{% time_ago moment %}", moment=moment)
    parsed = parse(markup)
    assert parsed.text == words
    assert parsed.found[0][1]["datetime"] == moment.isoformat()
    assert parsed.found[0][1]["title"]


def test_local_time_is_in_the_readers_zone() -> None:
    with clock.at(NOW), timezone.override("Pacific/Auckland"):
        assert parse(ui.local_time(NOW, "time")).text == "23:19"
        assert "NZDT" in ui.local_time(NOW, "full")


@pytest.mark.parametrize(
    ("moment", "style", "words"),
    [
        (NOW, "smart", "10:19"),
        (NOW - timedelta(days=1), "smart", "23 Nov 10:19"),
        (datetime(2025, 1, 2, 3, 4, tzinfo=UTC), "short", "2 Jan 2025 03:04"),
        (NOW, "date", "24 Nov 2026"),
        (date(2026, 11, 24), "short", "24 Nov 2026"),
        (None, "short", "–"),
    ],
)
def test_local_time_styles(moment: datetime | date | None, style: str, words: str) -> None:
    assert parse(draw("{% local_time moment style %}", moment=moment, style=style)).text == words


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('{{ d|money:"GBP" }}', "£1,234.50"),
        ('{{ d|money:"EUR" }}', "€1,234.50"),
        ('{% money d "JPY" %}', "JPY\xa01,234"),
        ('{{ minus|money:"EUR" }}', "−€89.90"),
        ('{{ d|money:"SEK" }}', "SEK\xa01,234.50"),
        ("{{ whole_money|money }}", "KWD\xa02.500"),
        ("{{ none|money }}", "–"),
        ("{{ 17179869184|bytes }}", "16.0\xa0GB"),
        ("{{ 512|bytes }}", "512\xa0B"),
        ("{{ 0|bytes }}", "0\xa0B"),
        ("{{ none|bytes }}", "–"),
        ("{{ 0.082|percent }}", "8\xa0%"),
        ("{{ 0.082|percent:1 }}", "8.2\xa0%"),
        ("{{ none|percent }}", "–"),
        ("{{ 50|duration_minutes }}", "50 min"),
        ("{{ 125|duration_minutes }}", "2 h 05 min"),
        ("{{ 120|duration_minutes }}", "2 h"),
        ("{{ 1570|duration_minutes }}", "26 h 10 min"),
        ("{{ 1284|whole }}", "1,284"),
    ],
)
def test_figures_as_words(source: str, words: str) -> None:
    values = {
        "d": Decimal("1234.5"),
        "minus": Decimal("-89.9"),
        "none": None,
        "whole_money": Money(Decimal("2.5"), "KWD"),
    }
    assert draw(source, **values) == words


def test_money_in_german_puts_the_sign_behind() -> None:
    with translation.override("de"):
        assert ui.money(Decimal("1234.5"), "EUR") == "1.234,50\xa0€"


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ines Calder", "IC"),
        ("Ada", "AD"),
        ("Jo van Lindqvist", "JL"),
        ("Kestrel & Lowe", "KL"),
        ("@", "?"),
    ],
)
def test_initials_of_a_name(name: str, letters: str) -> None:
    assert ui.initials(name) == letters


def test_nobody_is_drawn_as_unassigned() -> None:
    assert "Unassigned" in draw("{% avatar name %}", name="")


def _control(markup: str) -> dict[str, str | None]:
    return next(a for tag, a in parse(markup).found if tag in {"input", "textarea", "select"})


def test_a_field_ties_help_and_errors_to_its_control() -> None:
    markup = draw("{% field form.subject %}", form=AskForm({}))
    control = _control(markup)
    assert control["aria-describedby"] == "id_subject_help id_subject_error"
    assert control["aria-invalid"] == "true"
    ids = {attributes.get("id") for _, attributes in parse(markup).found}
    assert {"id_subject", "id_subject_help", "id_subject_error"} <= ids
    assert ("label", {"for": "id_subject"}) in parse(markup).found


def test_a_field_at_rest_names_no_error() -> None:
    control = _control(draw("{% field form.subject %}", form=AskForm()))
    assert control["aria-describedby"] == "id_subject_help"
    assert "aria-invalid" not in control


def test_dates_get_the_browsers_own_picker_and_its_format() -> None:
    form = AskForm(initial={"due_on": date(2026, 11, 24), "starts_at": NOW.replace(tzinfo=None)})
    day = _control(draw("{% field form.due_on %}", form=form))
    assert (day["type"], day["value"]) == ("date", "2026-11-24")
    start = _control(draw("{% field form.starts_at %}", form=form))
    assert (start["type"], start["value"]) == ("datetime-local", "2026-11-24T10:19")


def test_choices_are_a_group_with_a_legend() -> None:
    found = parse(draw("{% field form.way %}", form=AskForm({"way": ""}))).found
    tags = [tag for tag, _ in found]
    assert tags[0] == "fieldset"
    assert found[0][1]["aria-describedby"] == "id_way_error"
    assert "legend" in tags
    assert tags.count("input") == 2


def test_a_form_draws_every_field_once() -> None:
    found = parse(draw("{% fields form %}", form=AskForm())).found
    names = [a["name"] for tag, a in found if tag in {"input", "textarea", "select"}]
    assert names == [
        "subject",
        "text",
        "kind",
        "way",
        "way",
        "due_on",
        "starts_at",
        "tell",
        "secret",
    ]


def _chart(points: list[tuple[Any, Any]], **options: Any) -> dict[str, Any]:
    with clock.at(NOW), timezone.override("UTC"), translation.override("en"):
        return ui.line_chart(points, **options)


def _minutes(*values: float | None) -> list[tuple[datetime, float | None]]:
    return [(NOW + timedelta(minutes=i), value) for i, value in enumerate(values)]


def test_a_missing_value_breaks_the_line() -> None:
    chart = _chart(_minutes(1, 2, None, 3, 4), unit="ms", label="Latency")
    assert chart["lines"].count("M") == 2
    assert chart["gaps"] == 1
    assert "1 gap" in chart["summary"]


def test_not_a_number_breaks_the_line_too() -> None:
    assert _chart(_minutes(1, 2, float("nan"), 3, 4))["gaps"] == 1


def test_a_pause_breaks_the_line_though_no_value_is_missing() -> None:
    points = _minutes(1, 2, 3, 4)
    late = [(at + timedelta(minutes=20), value) for at, value in points]
    assert _chart([*points, *late])["gaps"] == 1


def test_a_peak_survives_thinning() -> None:
    values: list[float | None] = [0.1] * 5000
    values[2500] = 0.97
    chart = _chart(_minutes(*values), unit="ratio")
    spots = chart["lines"].removeprefix("M").split()
    ys = [float(number) for number in spots[1::2]]
    assert min(ys) == pytest.approx(3, abs=0.01)
    assert len(ys) <= 2 * ui.CHART_BUCKETS + 2


def test_ratios_are_drawn_to_a_hundred_per_cent() -> None:
    chart = _chart(_minutes(0.5, 0.5), unit="ratio", threshold=0.9)
    assert [line["text"] for line in chart["grid"]] == ["0\xa0%", "50\xa0%", "100\xa0%"]
    assert chart["limit"]["text"] == "alerts above 90\xa0%"
    assert chart["lines"].split()[1] == "50.0"


def test_a_chart_without_values_says_so() -> None:
    assert "No values" in draw("{% line_chart points label='CPU' %}", points=[(NOW, None)])


def test_the_table_holds_what_the_line_shows() -> None:
    chart = _chart(_minutes(*range(100)), unit="ms")
    assert 1 < len(chart["table"]) <= ui.TABLE_ROWS
    assert chart["table"][0]["low"] == "0\xa0ms"
    assert chart["table"][-1]["high"] == "99\xa0ms"


def test_a_chart_takes_epoch_milliseconds() -> None:
    start = int(NOW.timestamp() * 1000)
    chart = _chart([(start, 1.0), (start + 60_000, 2.0)], unit="ms")
    assert chart["last_at"] == NOW + timedelta(minutes=1)


def test_figures_inside_a_drawing_are_not_localised() -> None:
    with translation.override("de"), clock.at(NOW):
        markup = Template("{% line_chart points 'ratio' 0.755 label='CPU' %}").render(
            Context({"points": _minutes(0.123, 0.456, 0.789)})
        )
    for name in ("d", "x", "y", "dy", "height"):
        for _tag, attributes in parse(markup).found:
            assert "," not in (attributes.get(name) or "")


def test_sparkline_breaks_at_a_gap() -> None:
    assert draw("{% sparkline v 'Load' %}", v=[1, 2, None, 3, 4]).count("M") == 2
    assert "no data" in draw("{% sparkline v 'Load' %}", v=[None])
