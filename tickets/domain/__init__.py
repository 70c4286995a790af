"""The rules of tickets as pure functions: business time, clocks, life cycle, priority.

No Django (except through ``tickets.enums``), no clock, no input or output: callers pass ``now``.
"""
