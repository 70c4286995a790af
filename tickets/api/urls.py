"""API addresses of `tickets`."""

from __future__ import annotations

from django.urls import path

from tickets.api import views

app_name = "tickets-api"
urlpatterns = [
    path("tickets/", views.TicketList.as_view(), name="tickets"),
    path("tickets/<int:number>/", views.TicketDetail.as_view(), name="ticket"),
    path("tickets/<int:number>/messages/", views.Thread.as_view(), name="messages"),
    path("tickets/<int:number>/status/", views.TicketStatus.as_view(), name="status"),
    path("tickets/<int:number>/assign/", views.TicketAssign.as_view(), name="assign"),
    path("tickets/<int:number>/resolve/", views.TicketResolve.as_view(), name="resolve"),
    path("tickets/<int:number>/reopen/", views.TicketReopen.as_view(), name="reopen"),
    path("tickets/<int:number>/time/", views.TicketTime.as_view(), name="time"),
]
