"""Monitoring: ingest, samples, rules, alerts, silences and maintenance windows.

This app owns what was measured and what was concluded from it; the device belongs to ``agents``
and the ticket that an alert opens belongs to ``tickets``.
"""
