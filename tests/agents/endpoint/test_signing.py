"""Signatures against RFC 9421's own vector and the package http-message-signatures."""

import base64
import warnings
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from http_message_signatures import HTTPMessageVerifier, InvalidSignature, algorithms
from hypothesis import given
from hypothesis import strategies as st
from msp_agent.signing import (
    COVERED,
    Ed25519Signer,
    authority,
    content_digest,
    signature_base,
    signature_params,
    signed_headers,
)

from .double import Keys

# RFC 9421, B.1.4 (test-key-ed25519) and B.2.6.
RFC_KEY = base64.b64decode("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF")
RFC_SIGNATURE = (
    "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
)
RFC_COMPONENTS = [
    ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("@method", "POST"),
    ("@path", "/foo"),
    ("@authority", "example.com"),
    ("content-type", "application/json"),
    ("content-length", "18"),
]
KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
SIGNER = Ed25519Signer("key-1", KEY)
CREATED = 1_700_000_000


def verify(message: SimpleNamespace, body: bytes) -> None:
    keys = Keys()
    keys.by_id["key-1"] = KEY.public_key()
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=keys)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verifier.verify(message, max_age=None, require_components=COVERED, body=body)


def signed(body: bytes, *, path: str = "/api", query: str = "", host: str = "localhost:8000"):
    headers = signed_headers(
        SIGNER, method="POST", authority=host, path=path, query=query, body=body, created=CREATED
    )
    url = f"http://{host}{path}" + (f"?{query}" if query else "")
    return SimpleNamespace(method="POST", url=url, headers=headers)


def test_signs_the_vector_of_the_standard():
    params = signature_params(
        [name for name, _ in RFC_COMPONENTS], created=1618884473, keyid="test-key-ed25519"
    )
    signer = Ed25519Signer("test-key-ed25519", load_der_private_key(RFC_KEY, None))
    signature = signer.sign(signature_base(RFC_COMPONENTS, params))
    assert base64.b64encode(signature).decode() == RFC_SIGNATURE


@given(st.binary(max_size=500))
def test_is_accepted_by_the_reference(body):
    verify(signed(body), body)


def test_is_accepted_by_the_reference_with_a_query():
    verify(signed(b"x", query="a=1&b=%20"), b"x")


@pytest.mark.parametrize("change", ["body", "path", "authority", "method", "signature", "params"])
def test_is_refused_by_the_reference_when_anything_signed_changes(change):
    message, body = signed(b"body"), b"body"
    if change == "body":
        body = b"other"
    elif change == "path":
        message.url = message.url.replace("/api", "/apj")
    elif change == "authority":
        message.url = message.url.replace("localhost", "elsewhere")
    elif change == "method":
        message.method = "PUT"
    elif change == "signature":
        message.headers["Signature"] = f"sig1=:{base64.b64encode(b'0' * 64).decode()}:"
    else:
        old = message.headers["Signature-Input"]
        message.headers["Signature-Input"] = old.replace(f"created={CREATED}", "created=1")
    with pytest.raises(InvalidSignature):
        verify(message, body)


def test_never_uses_a_nonce_twice():
    one, two = signed(b"").headers, signed(b"").headers
    assert one["Signature-Input"] != two["Signature-Input"]


def test_orders_the_parameters_as_agreed():
    headers = signed_headers(
        SIGNER, method="POST", authority="a", path="/", body=b"", created=1, nonce="n"
    )
    assert headers["Signature-Input"] == (
        'sig1=("@method" "@authority" "@path" "@query" "content-digest")'
        ';created=1;nonce="n";keyid="key-1";alg="ed25519"'
    )


def test_digests_the_body_as_sent():
    # The well-known SHA-256 of nothing.
    assert content_digest(b"") == "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://MSP.Example/", "msp.example"),
        ("https://msp.example:443", "msp.example"),
        ("http://msp.example:443", "msp.example:443"),
        ("http://localhost:8000/x", "localhost:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_names_the_authority_without_its_default_port(url, expected):
    assert authority(urlsplit(url)) == expected


def test_refuses_a_key_id_that_would_break_out_of_its_string():
    params = signature_params((), keyid='a"b\\c')
    assert params == '();keyid="a\\"b\\\\c"'
    with pytest.raises(ValueError, match="printable"):
        signature_params((), keyid="a\nb")
