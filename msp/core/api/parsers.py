"""Read what programs send: JSON, strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

#: No command of the API needs more; files will have addresses of their own.
MAX_BODY_BYTES = 1 << 20


class TooLarge(APIException):
    """A body over the limit."""

    status_code = 413
    default_code = "too_large"
    default_detail = "A request is at most 1 MiB."


class JsonParser(BaseParser):
    """UTF-8 JSON under a limit; refuses what Python's own reader lets through.

    That one fails on deep nesting with an error nobody expects, and takes half surrogate pairs,
    which no answer and no table can hold.
    """

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the value. Errors: ParseError (400), TooLarge (413)."""
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge
        try:
            return msgspec.json.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise ParseError(_("This is not JSON: %(why)s") % {"why": str(error)[:200]}) from None
