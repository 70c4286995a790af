"""Tickets: units of work with their messages, clocks, time entries, dispatch and knowledge.

This app owns what happened on a ticket and when it was due; it does not know who caused a ticket
beyond a ``source`` label, which contract promised what (``clients``), or what work costs
(``billing``).
"""
