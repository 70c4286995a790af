"""Portal addresses of `tickets`; composed under the namespace `portal`."""

from __future__ import annotations

from django.urls import path

from tickets.views import portal

urlpatterns = [
    path("", portal.home, name="home"),
    path("requests/", portal.requests, name="tickets"),
    path("requests/new/", portal.new, name="ticket-new"),
    path("requests/<int:number>/", portal.ticket, name="ticket"),
    path("requests/<int:number>/answer", portal.answer, name="ticket-answer"),
    path("requests/<int:number>/reopen", portal.reopen, name="ticket-reopen"),
    path("requests/<int:number>/solved", portal.solved, name="ticket-solved"),
]
