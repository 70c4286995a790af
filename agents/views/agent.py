"""What agents ask before they are known: a nonce, and to join.

Signed instead of signed in, so there is no session and no form token. Reports never come here.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from agents import services, wire
from agents.services import signature
from msp.core import clock

#: As long as no session key exists, every report is signed by the device's own key.
ENROLMENT_KEY_ID = "enrol"
INTERVAL_SECONDS = 60


@csrf_exempt
@require_POST
def nonce(request: HttpRequest) -> JsonResponse:
    """Return a nonce for one enrolment."""
    return JsonResponse({"nonce": services.issue_nonce(), "expires_in": 300})


@csrf_exempt
@require_POST
def enrol(request: HttpRequest) -> JsonResponse:
    """Let a machine join that holds a token and proves its key."""
    try:
        body = _body(request)
        sent = wire.read(body)
        key = sent.key()
        _check_signature(request, body, key)
        services.use_nonce(sent.nonce)
        enrolled = services.enrol_device(sent.token, public_key=key, machine=sent.machine())
    except wire.BadRequest as error:
        return _answer(422, code="bad_request", message=str(error))
    except signature.SignatureRefused as refused:
        return _answer(401, code=refused.code, message=refused.message)
    except services.EnrolmentRefused as refused:
        status = 401 if refused.code == "nonce_unknown" else refused.status
        return _answer(status, code=refused.code, message=refused.message)
    return _answer(
        201,
        device=str(enrolled.device.public_id),
        key_id=str(enrolled.key.key_id),
        status=enrolled.device.state,
        config={"interval_seconds": INTERVAL_SECONDS},
    )


def _body(request: HttpRequest) -> bytes:
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > wire.MAX_BODY:
            raise wire.BadRequest("larger than 64 KiB")
        return request.body
    except (RequestDataTooBig, ValueError):
        raise wire.BadRequest("larger than 64 KiB") from None


def _check_signature(request: HttpRequest, body: bytes, public_key: bytes) -> None:
    """Check that the request is signed by the key it brings. Errors: SignatureRefused."""
    signed = signature.read(
        method=request.method or "",
        authority=signature.authority(request.get_host(), request.scheme or "http"),
        path=request.path,
        query=request.META.get("QUERY_STRING", ""),
        headers=[(name.lower(), value) for name, value in request.headers.items()],
    )
    if signed.keyid != ENROLMENT_KEY_ID:
        raise signature.SignatureRefused("bad_signature", "The key of an enrolment is `enrol`.")
    signed.check_time(clock.now().timestamp())
    try:
        key = signature.Ed25519Key(public_key)
    except ValueError:
        raise wire.BadRequest("public_key is not an Ed25519 key") from None
    signed.check(key, body)


def _answer(status: int, /, **body: Any) -> JsonResponse:
    """Answer with the server's time, by which a machine with a wrong clock mends its own."""
    return JsonResponse({**body, "time": int(clock.now().timestamp() * 1000)}, status=status)
