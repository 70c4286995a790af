"""The ground floor: staff users and roles, tenancy scope, audit, outbox, live hints, notifications.

Owns everything that every app needs and that has no client in it. Rows about a client (audit,
outbox, blobs) hold its id as a plain column, so that nothing here points upward.
"""
