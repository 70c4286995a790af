"""Only what is signed by the right key, over everything, now, is believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msp_agent import signing as agent_signing

from agents.services import signature
from agents.services.signature import Ed25519Key, HmacKey, SignatureRefused
from tests.monitoring.ingest import Signer

BODY = b'{"v":1}'
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY_ID = "0b0e9c1e-7f8f-4c39-9e4e-000000000001"


def _public(key: Ed25519PrivateKey = KEY) -> Ed25519Key:
    return Ed25519Key(key.public_key().public_bytes_raw())


def _read(headers: dict[str, str], **changes: str) -> signature.SignedRequest:
    values = {
        "method": "POST",
        "authority": "msp.example",
        "path": "/api/v1/telemetry",
        "query": "",
    }
    values.update(changes)
    return signature.read(
        **values, headers=[(name.lower(), value) for name, value in headers.items()]
    )


def _signed(body: bytes = BODY, **changes: str) -> dict[str, str]:
    return Signer(KEY_ID, KEY).headers(body, host="msp.example", **changes)


# ---------------------------------------------------------------- vectors of RFC 9421, B.2


def test_checks_the_hmac_vector_of_the_rfc() -> None:
    secret = base64.b64decode(
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
    )
    given = signature.parse_input(
        'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    )
    values = {
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "@authority": "example.com",
        "content-type": "application/json",
    }
    base = signature.signature_base([(name, values[name]) for name in given.components], given.raw)
    wanted = base64.b64decode("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=")
    assert HmacKey(secret).verify(wanted, base)
    assert not HmacKey(secret).verify(wanted, base + b" ")


def test_checks_the_ed25519_vector_of_the_rfc() -> None:
    der = base64.b64decode("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")
    key = Ed25519Key(load_der_public_key(der).public_bytes_raw())  # type: ignore[union-attr]
    given = signature.parse_input(
        'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    values = {
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "@method": "POST",
        "@path": "/foo",
        "@authority": "example.com",
        "content-type": "application/json",
        "content-length": "18",
    }
    base = signature.signature_base([(name, values[name]) for name in given.components], given.raw)
    wanted = base64.b64decode(
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )
    assert key.verify(wanted, base)
    assert not key.verify(wanted, base.replace(b"POST", b"GET"))


# ---------------------------------------------------------------- two signers that are not ours


@pytest.mark.parametrize("query", ["", "a=1&b=%20", "x=%C3%A4"])
@pytest.mark.parametrize("body", [b"", BODY, bytes(range(256))])
def test_believes_what_the_oracle_signs(query: str, body: bytes) -> None:
    request = _read(_signed(body, query=query), query=query)
    request.check_time(time.time())
    request.check(_public(), body)
    assert request.keyid == KEY_ID


@pytest.mark.parametrize("query", ["", "a=1"])
def test_believes_what_the_agent_signs(query: str) -> None:
    headers = agent_signing.signed_headers(
        agent_signing.Ed25519Signer(KEY_ID, KEY),
        method="POST",
        authority="msp.example",
        path="/api/v1/telemetry",
        body=BODY,
        created=int(time.time()),
        query=query,
    )
    request = _read(headers, query=query)
    request.check_time(time.time())
    request.check(_public(), BODY)


def test_believes_a_session_key_that_has_its_algorithm() -> None:
    secret = b"s" * 32
    params = (
        '("@method" "@authority" "@path" "@query" "content-digest")'
        f';created={int(time.time())};nonce="n";keyid="{KEY_ID}";alg="hmac-sha256"'
    )
    digest = signature.content_digest(BODY)
    base = (
        '"@method": POST\n"@authority": msp.example\n"@path": /api/v1/telemetry\n"@query": ?\n'
        f'"content-digest": {digest}\n"@signature-params": {params}'
    ).encode()
    mark = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    headers = {
        "Content-Digest": digest,
        "Signature-Input": f"sig1={params}",
        "Signature": f"sig1=:{mark}:",
    }
    with pytest.raises(SignatureRefused):
        _read(headers).check(HmacKey(secret), BODY)

    mark = base64.b64encode(hmac.digest(secret, base, "sha256")).decode()
    _read({**headers, "Signature": f"sig1=:{mark}:"}).check(HmacKey(secret), BODY)


# ---------------------------------------------------------------- tampering


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "PUT"},
        {"authority": "other.example"},
        {"path": "/api/v1/telemetry/"},
        {"query": "a=1"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_refuses_a_request_that_was_aimed_elsewhere(changes: dict[str, str]) -> None:
    request = _read(_signed(), **changes)
    with pytest.raises(SignatureRefused, match="does not fit"):
        request.check(_public(), BODY)


def test_refuses_another_body() -> None:
    with pytest.raises(SignatureRefused):
        _read(_signed()).check(_public(), BODY + b" ")


def test_refuses_another_body_with_its_own_digest() -> None:
    forged = {**_signed(), "Content-Digest": signature.content_digest(b"other")}
    with pytest.raises(SignatureRefused):
        _read(forged).check(_public(), b"other")


def test_refuses_another_key() -> None:
    with pytest.raises(SignatureRefused):
        _read(_signed()).check(_public(Ed25519PrivateKey.generate()), BODY)


def test_refuses_a_public_key_used_as_a_shared_secret() -> None:
    raw = KEY.public_key().public_bytes_raw()
    with pytest.raises(SignatureRefused):
        _read(_signed()).check(HmacKey(raw), BODY)


@pytest.mark.parametrize("name", ["created", "nonce", "keyid", "alg"])
def test_refuses_a_changed_parameter(name: str) -> None:
    headers = _signed()
    given = headers["Signature-Input"]
    value = signature.parse_input(given).parameters[name]
    changed = str(int(value) - 1) if isinstance(value, int) else value.replace(value[-1], "z")
    headers["Signature-Input"] = given.replace(str(value), changed)
    assert headers["Signature-Input"] != given
    with pytest.raises(SignatureRefused):
        _read(headers).check(_public(), BODY)


def test_refuses_every_flipped_bit_of_the_signature() -> None:
    headers = _signed()
    raw = base64.b64decode(headers["Signature"][len("sig1=:") : -1])
    for place in range(0, len(raw) * 8, 7):
        flipped = bytearray(raw)
        flipped[place // 8] ^= 1 << place % 8
        text = base64.b64encode(bytes(flipped)).decode()
        with pytest.raises(SignatureRefused):
            _read({**headers, "Signature": f"sig1=:{text}:"}).check(_public(), BODY)


MALFORMED: dict[str, Callable[[str], str]] = {
    "a component less": lambda s: s.replace(' "@query"', ""),
    "a component more": lambda s: s.replace('"@path"', '"@path" "host"'),
    "a component twice": lambda s: s.replace('"@query"', '"@path"'),
    "a component with a parameter": lambda s: s.replace('"@path"', '"@path";req'),
    "a parameter less": lambda s: s.replace(';alg="ed25519"', ""),
    "a parameter more": lambda s: s + ';tag="x"',
    "a parameter twice": lambda s: s + ';alg="ed25519"',
    "created as text": lambda s: s.replace("created=", 'created="').replace(";key", '";key', 1),
    "two signatures": lambda s: s + ", sig2=" + s.removeprefix("sig1="),
    "another label": lambda s: s.replace("sig1", "sig2"),
    "nothing": lambda s: "",
    "nonsense": lambda s: "()" * 200,
    "a quote left open": lambda s: s[:-1],
    "far too long": lambda s: s + ";a=1" * 1000,
    "control characters": lambda s: s.replace('nonce="', 'nonce="\x00'),
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED.keys())
def test_refuses_what_is_not_of_our_form(change: Callable[[str], str]) -> None:
    headers = _signed()
    headers["Signature-Input"] = change(headers["Signature-Input"])
    with pytest.raises(SignatureRefused) as refused:
        _read(headers).check(_public(), BODY)
    assert refused.value.code == "bad_signature"


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest"])
def test_refuses_a_field_that_is_missing_or_sent_twice(name: str) -> None:
    headers = _signed()
    pairs = [(key.lower(), value) for key, value in headers.items()]
    for wrong in (
        [pair for pair in pairs if pair[0] != name.lower()],
        [*pairs, (name.lower(), headers[name])],
    ):
        with pytest.raises(SignatureRefused):
            signature.read(
                method="POST",
                authority="msp.example",
                path="/api/v1/telemetry",
                query="",
                headers=wrong,
            )


@pytest.mark.parametrize(("off", "fits"), [(-301, False), (-299, True), (299, True), (301, False)])
def test_refuses_a_signature_more_than_five_minutes_off(off: int, fits: bool) -> None:
    now = datetime(2026, 11, 24, 9, tzinfo=UTC).timestamp()
    headers = agent_signing.signed_headers(
        agent_signing.Ed25519Signer(KEY_ID, KEY),
        method="POST",
        authority="msp.example",
        path="/api/v1/telemetry",
        body=BODY,
        created=int(now) + off,
    )
    request = _read(headers)
    if fits:
        request.check_time(now)
    else:
        with pytest.raises(SignatureRefused) as refused:
            request.check_time(now)
        assert refused.value.code == "skewed"


@pytest.mark.parametrize(
    ("host", "scheme", "expected"),
    [
        ("MSP.example", "http", "msp.example"),
        ("msp.example:80", "http", "msp.example"),
        ("msp.example:443", "https", "msp.example"),
        ("msp.example:443", "http", "msp.example:443"),
        ("msp.example:8080", "http", "msp.example:8080"),
        ("[::1]:80", "http", "[::1]"),
    ],
)
def test_names_the_authority_as_the_rfc_does(host: str, scheme: str, expected: str) -> None:
    assert signature.authority(host, scheme) == expected


def test_reads_the_components_in_any_order() -> None:
    order = list(itertools.permutations(sorted(signature.COMPONENTS)))[17]
    params = agent_signing.signature_params(
        order, created=int(time.time()), nonce="n", keyid=KEY_ID, alg="ed25519"
    )
    digest = signature.content_digest(BODY)
    values = {
        "@method": "POST",
        "@authority": "msp.example",
        "@path": "/api/v1/telemetry",
        "@query": "?",
        "content-digest": digest,
    }
    base = agent_signing.signature_base([(name, values[name]) for name in order], params)
    headers = {
        "Content-Digest": digest,
        "Signature-Input": f"sig1={params}",
        "Signature": f"sig1=:{base64.b64encode(KEY.sign(base)).decode()}:",
    }
    _read(headers).check(_public(), BODY)
