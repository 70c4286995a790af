"""Staff addresses of `tickets`."""

from __future__ import annotations

from django.urls import path

from tickets.views import panels, queue, ticket, work

app_name = "tickets"
urlpatterns = [
    path("", queue.queue, name="queue"),
    path("tickets/rows", queue.rows, name="rows"),
    path("tickets/new/", work.new, name="new"),
    path("tickets/time/", work.approvals, name="approvals"),
    path("tickets/time/<uuid:public_id>/", work.time_entry, name="time-entry"),
    path("tickets/time/<uuid:public_id>/approve", work.approve, name="time-approve"),
    path("tickets/of-client/<uuid:public_id>/", panels.of_client, name="client-panel"),
    path("tickets/of-contact/<uuid:public_id>/", panels.of_contact, name="contact-panel"),
    path("tickets/of-device/<uuid:public_id>/", panels.of_device, name="device-panel"),
    path("tickets/<int:number>/", ticket.detail, name="detail"),
    path("tickets/<int:number>/thread", ticket.thread, name="thread"),
    path("tickets/<int:number>/head", ticket.head, name="head"),
    path("tickets/<int:number>/time", ticket.time, name="time"),
    path("tickets/<int:number>/compose", work.compose, name="compose"),
    path("tickets/<int:number>/status", work.status, name="status"),
    path("tickets/<int:number>/priority", work.priority, name="priority"),
    path("tickets/<int:number>/assign", work.assign, name="assign"),
    path("tickets/<int:number>/resolve", work.resolve, name="resolve"),
    path("tickets/<int:number>/reopen", work.reopen, name="reopen"),
    path("tickets/<int:number>/close", work.close, name="close"),
    path("tickets/<int:number>/move/", work.move, name="move"),
    path("tickets/<int:number>/timer/start", work.timer_start, name="timer-start"),
    path("tickets/<int:number>/timer/stop", work.timer_stop, name="timer-stop"),
]
