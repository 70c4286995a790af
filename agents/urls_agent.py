"""Addresses that agents call, signed, without a session."""

from __future__ import annotations

from django.urls import path

from agents.views import agent

app_name = "agent"
urlpatterns = [
    path("nonce", agent.nonce, name="nonce"),
    path("enrol", agent.enrol, name="enrol"),
    path("session", agent.session, name="session"),
]
