"""JSON in the cache: whoever can write there must not be able to run code here."""

from __future__ import annotations

import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder


class JsonSerializer:
    """The serializer of Django's Redis cache, with JSON in place of pickle."""

    def __init__(self, protocol: object = None) -> None:
        pass

    def dumps(self, value: Any) -> bytes | int:
        # Django keeps plain integers as they are, so that INCR works on them.
        if type(value) is int:
            return value
        return json.dumps(value, cls=DjangoJSONEncoder).encode()

    def loads(self, data: bytes) -> Any:
        try:
            return int(data)
        except ValueError:
            return json.loads(data)
