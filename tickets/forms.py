"""Parse what people send about tickets. Rows to choose from are those they see."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clients.models import Client
from msp.core.models import User
from tickets import selectors
from tickets.enums import Impact, Kind, Priority, Status, Urgency, WorkType

#: What the composer writes, as people call it.
REPLY, NOTE, CALL, VISIT = "reply", "note", "call", "visit"
COMPOSER_KINDS = [
    (REPLY, _("Reply")),
    (NOTE, _("Note")),
    (CALL, _("Call")),
    (VISIT, _("Visit")),
]
MESSAGE_KINDS = {REPLY: "public", NOTE: "note", CALL: "call", VISIT: "visit"}
#: What may follow a message in one step.
AFTER = [
    ("", _("Keep the status")),
    (Status.IN_PROGRESS.value, Status.IN_PROGRESS.label),
    (Status.WAITING_CLIENT.value, Status.WAITING_CLIENT.label),
    (Status.WAITING_VENDOR.value, Status.WAITING_VENDOR.label),
    (Status.RESOLVED.value, Status.RESOLVED.label),
]


def new_token() -> str:
    """Return a fresh token: a form sent twice carries it twice, and is done once."""
    return uuid.uuid4().hex


class TokenForm(forms.Form):
    """A form that does its work once, however often it is sent."""

    token = forms.CharField(
        widget=forms.HiddenInput, max_length=64, required=False, initial=new_token
    )


class TicketForm(TokenForm):
    """A new ticket of one client; the client is chosen first, since all else depends on it."""

    contact: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        None, label=_("Contact"), required=False, to_field_name="public_id"
    )
    subject = forms.CharField(label=_("Subject"), max_length=200)
    body = forms.CharField(label=_("What is it about"), widget=forms.Textarea, required=False)
    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[choice for choice in Kind.choices if choice[0] != Kind.ALERT],
        initial=Kind.INCIDENT,
    )
    impact = forms.ChoiceField(label=_("Affected"), choices=Impact.choices, initial=Impact.LOW)
    urgency = forms.ChoiceField(
        label=_("How badly"), choices=Urgency.choices, initial=Urgency.MEDIUM
    )
    site: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        None, label=_("Site"), required=False, to_field_name="public_id"
    )
    device: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        None, label=_("Device"), required=False, to_field_name="public_id"
    )
    owner: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        None, label=_("Owner"), required=False, to_field_name="public_id"
    )
    on_the_phone = forms.BooleanField(
        label=_("They are on the phone: log this as a call"), required=False
    )
    resolution = forms.CharField(label=_("Solved on this call by"), max_length=2000, required=False)

    def __init__(self, *args: Any, user: User, client: Client, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, rows in (
            ("contact", selectors.contacts_for(user, client.pk)),
            ("site", selectors.sites_for(user, client.pk)),
            ("device", selectors.devices_for(user, client.pk)),
        ):
            self.fields[name].queryset = rows  # type: ignore[attr-defined]
        people = selectors.owners_for(client.pk)
        self.fields["owner"].queryset = User.objects.filter(  # type: ignore[attr-defined]
            pk__in=[person.pk for person in people]
        ).order_by("name")
        self.fields["device"].label_from_instance = lambda device: device.name  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("resolution") and not values.get("on_the_phone"):
            self.add_error("resolution", _("Only what was solved on a call is solved at once."))
        return values


class ComposerForm(TokenForm):
    """One step of work: a message, minutes, and what follows, each only if given."""

    kind = forms.ChoiceField(choices=COMPOSER_KINDS, initial=REPLY)
    body = forms.CharField(label=_("Text"), widget=forms.Textarea, required=False)
    minutes = forms.IntegerField(label=_("Minutes"), min_value=0, max_value=1440, required=False)
    work_type = forms.ChoiceField(
        label=_("Work"), choices=WorkType.choices, initial=WorkType.REMOTE, required=False
    )
    happened_at = forms.DateTimeField(
        label=_("When it was"), required=False, widget=forms.DateTimeInput
    )
    after = forms.ChoiceField(label=_("Then"), choices=AFTER, required=False)
    resolution = forms.CharField(label=_("What solved it"), widget=forms.Textarea, required=False)
    stop = forms.BooleanField(label=_("Stop my timer"), required=False)

    def clean_work_type(self) -> str:
        return self.cleaned_data["work_type"] or WorkType.REMOTE.value

    @property
    def error_lines(self) -> list[str]:
        """Return the errors as a person reads them: that of a figure with its name."""
        return [
            f"{self.fields[name].label}: {word}"
            if name in ("minutes", "happened_at")
            else str(word)
            for name, words in self.errors.items()
            for word in words
        ]

    @property
    def happened_at_text(self) -> str:
        """Return what was typed as the time, for the form that comes back."""
        return str(self["happened_at"].value() or "") if self.is_bound else ""

    @property
    def uses_details(self) -> bool:
        """Whether a refused form holds something that is folded away otherwise."""
        named = ("minutes", "happened_at", "resolution", "stop")
        return self.is_bound and any(self[name].value() or self[name].errors for name in named)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        body, resolves = values.get("body", "").strip(), values.get("after") == Status.RESOLVED
        if resolves and not values.get("resolution", "").strip():
            if values.get("kind") == REPLY and body:
                # The reply is what solved it; it is said once.
                values["resolution"], values["body"] = body, ""
            else:
                self.add_error("resolution", _("Say what solved it; the client gets this text."))
        elif not resolves:
            values["resolution"] = ""
        if values.get("happened_at") and values.get("kind") == REPLY:
            self.add_error("happened_at", _("A reply is sent now; log a call for what was said."))
        nothing = not (body or values.get("resolution") or values.get("after"))
        if nothing and values.get("minutes") is None and not values.get("stop") and not self.errors:
            self.add_error("body", _("Write something first."))
        return values


class StatusForm(forms.Form):
    status = forms.ChoiceField(choices=Status.choices)
    until = forms.DateTimeField(required=False, widget=forms.DateTimeInput)
    since = forms.DateTimeField(required=False, widget=forms.DateTimeInput)
    reason = forms.CharField(max_length=250, required=False)
    #: The status that the page showed.
    seen = forms.ChoiceField(choices=Status.choices, required=False)


class PriorityForm(forms.Form):
    priority = forms.ChoiceField(choices=Priority.choices)


class AssignForm(forms.Form):
    """The new owner's key; empty for nobody. `seen`: whose it was on the page, 0 for nobody's."""

    owner = forms.IntegerField(required=False)
    seen = forms.IntegerField(required=False, min_value=0)


class ResolveForm(forms.Form):
    resolution = forms.CharField(label=_("What solved it"), widget=forms.Textarea)


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Why"), widget=forms.Textarea, required=False)


class MoveForm(forms.Form):
    """Where a ticket belongs; the contact is chosen there, once it is."""

    client: forms.ModelChoiceField[Any] = forms.ModelChoiceField(
        None, label=_("Client"), to_field_name="public_id"
    )
    reason = forms.CharField(label=_("Why"), max_length=250, required=False)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["client"].queryset = selectors.clients_for(user)  # type: ignore[attr-defined]


class TimerForm(forms.Form):
    note = forms.CharField(label=_("What was done"), widget=forms.Textarea, required=False)
    work_type = forms.ChoiceField(label=_("Work"), choices=WorkType.choices, required=False)


class TimeForm(forms.Form):
    minutes = forms.IntegerField(label=_("Minutes"), min_value=0, max_value=1440)
    work_type = forms.ChoiceField(label=_("Work"), choices=WorkType.choices)
    note = forms.CharField(label=_("What was done"), widget=forms.Textarea, required=False)


class RequestForm(TokenForm):
    """What a client's contact reports, in their words."""

    subject = forms.CharField(
        label=_("What is it about?"),
        max_length=200,
        help_text=_("A few words, such as “Outlook keeps asking for my password”."),
    )
    body = forms.CharField(
        label=_("What happens, and since when?"), widget=forms.Textarea, max_length=20000
    )
    urgency = forms.ChoiceField(
        label=_("How does it affect your work?"),
        choices=[
            (Urgency.HIGH.value, _("I cannot work")),
            (Urgency.MEDIUM.value, _("I can work, but it hampers me")),
            (Urgency.LOW.value, _("It can wait")),
        ],
        initial=Urgency.MEDIUM.value,
        widget=forms.RadioSelect,
    )
    impact = forms.ChoiceField(
        label=_("Who else has it?"),
        choices=[
            (Impact.LOW.value, _("Only me")),
            (Impact.MEDIUM.value, _("A few of us")),
            (Impact.HIGH.value, _("All of us")),
        ],
        initial=Impact.LOW.value,
        widget=forms.RadioSelect,
    )


class AnswerForm(TokenForm):
    body = forms.CharField(label=_("Your answer"), widget=forms.Textarea, max_length=20000)
