"""Clients, their sites and contacts, contracts (SLA targets, hours, coverage), calendars.

Owns what was promised and who the client is. Does not own prices (that is `billing`), devices
(`agents`) or work (`tickets`).
"""
