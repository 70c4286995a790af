"""Vendors, vendor contracts and cases, escalations.

Does not own our own SLA (that is `tickets`). Nothing is built here yet; the room stands so that the
order of imports is checked from the first day.
"""
