"""Clients' posture: patch state, compliance, vulnerabilities, security incidents.

Does not own staff sign-in (that is `msp.core`). Nothing is built here yet; the room stands so that
the order of imports is checked from the first day.
"""
