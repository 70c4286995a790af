"""The telemetry door: reports of agents, outside Django's request path.

`app.py` is the ASGI application, `wire.py` what a report may look like, `keys.py` who is known,
`writer.py` the one thread that stores whole groups of reports, each in one commit.
"""
