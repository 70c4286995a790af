"""What agents ask besides reporting: a nonce, to join, and a session key for their reports.

Signed instead of signed in, so there is no session and no form token. Reports never come here.
"""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from agents import services, wire
from agents.services import signature
from msp.core import clock
from msp.core.scope import SystemPrincipal

ENROLMENT_KEY_ID = "enrol"
INTERVAL_SECONDS = 60
_UNKNOWN_KEY = ("bad_signature", "The signature is missing or does not fit.")


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


@csrf_exempt
@require_POST
def session(request: HttpRequest) -> JsonResponse:
    """Agree on a session key with a device; its own key signs the request."""
    by = SystemPrincipal("agents")
    try:
        body = _body(request)
        signed = _signed(request)
        sent = wire.read_session(body)
        key = services.device_key(_key_id(signed), by=by)
        if key is None:
            raise signature.SignatureRefused(*_UNKNOWN_KEY)
        signed.check(signature.Ed25519Key(bytes(key.public_key)), body)
        begun = services.begin_session(
            key.key_id, device_public=sent.key(), signed_nonce=signed.nonce, by=by
        )
    except wire.BadRequest as error:
        return _answer(422, code="bad_request", message=str(error))
    except signature.SignatureRefused as refused:
        return _answer(401, code=refused.code, message=refused.message)
    except services.SessionRefused as refused:
        status = {"bad_key": 422, "nonce_used": 401}.get(refused.code, 403)
        return _answer(status, code=refused.code, message=refused.message)
    return _answer(
        201,
        key_id=str(begun.row.key_id),
        public_key=base64.b64encode(begun.public_key).decode(),
        expires_at=int(begun.row.expires_at.timestamp() * 1000),
    )


def _key_id(signed: signature.SignedRequest) -> UUID:
    try:
        return UUID(signed.keyid)
    except ValueError:
        raise signature.SignatureRefused(*_UNKNOWN_KEY) from None


def _body(request: HttpRequest) -> bytes:
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > wire.MAX_BODY:
            raise wire.BadRequest("larger than 64 KiB")
        return request.body
    except (RequestDataTooBig, ValueError):
        raise wire.BadRequest("larger than 64 KiB") from None


def _check_signature(request: HttpRequest, body: bytes, public_key: bytes) -> None:
    """Check that the request is signed by the key it brings. Errors: SignatureRefused."""
    signed = _signed(request)
    if signed.keyid != ENROLMENT_KEY_ID:
        raise signature.SignatureRefused("bad_signature", "The key of an enrolment is `enrol`.")
    try:
        key = signature.Ed25519Key(public_key)
    except ValueError:
        raise wire.BadRequest("public_key is not an Ed25519 key") from None
    signed.check(key, body)


def _signed(request: HttpRequest) -> signature.SignedRequest:
    """Return the request's signature, made at about this time. Errors: SignatureRefused."""
    signed = signature.read(
        method=request.method or "",
        authority=signature.authority(request.get_host(), request.scheme or "http"),
        path=request.path,
        query=request.META.get("QUERY_STRING", ""),
        headers=[(name.lower(), value) for name, value in request.headers.items()],
    )
    signed.check_time(clock.now().timestamp())
    return signed


def _answer(status: int, /, **body: Any) -> JsonResponse:
    """Answer with the server's time, by which a machine with a wrong clock mends its own."""
    return JsonResponse({**body, "time": int(clock.now().timestamp() * 1000)}, status=status)
