"""Errors that services raise and edges translate.

404 for what is not visible, 403 for what is not allowed, 409 for what is refused in this state, 422
for bad input. Each has a `code` for programs and a sentence for people. Failure is never `None`.
"""

from __future__ import annotations


class ServiceError(Exception):
    """A use case that was refused, with a code and a sentence a technician understands."""

    status = 409
    code = "refused"

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        if code:
            self.code = code


class NotVisible(ServiceError):
    """The thing does not exist, or not for this principal: the edge answers 404 for both."""

    status = 404
    code = "not_found"

    def __init__(self, message: str = "Not found.") -> None:
        super().__init__(message)


class NotAllowed(ServiceError):
    """The principal sees the thing but may not do this with it."""

    status = 403
    code = "not_allowed"


class Refused(ServiceError):
    """The state of the thing does not allow this."""


class BadInput(ServiceError):
    """A value is wrong; `field` names it."""

    status = 422
    code = "bad_input"

    def __init__(self, message: str, *, field: str = "", code: str = "") -> None:
        super().__init__(message, code=code)
        self.field = field
