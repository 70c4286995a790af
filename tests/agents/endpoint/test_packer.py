"""The encoder against the package msgpack."""

import math

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msp_agent.packer import pack

WHOLE = st.integers(min_value=-(2**63), max_value=2**64 - 1)
LEAVES = st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(), inner, max_size=20),
    max_leaves=40,
)


@given(VALUES)
def test_writes_the_same_bytes_as_the_reference(value):
    assert pack(value) == msgpack.packb(value)


@pytest.mark.parametrize("bits", [0, 5, 7, 8, 15, 16, 31, 32, 63])
@pytest.mark.parametrize("near", [-1, 0, 1])
@pytest.mark.parametrize("sign", [-1, 1])
def test_takes_the_shortest_form_at_every_width(bits, near, sign):
    value = sign * (1 << bits) + near
    if value < -(2**63):
        pytest.skip("outside msgpack")
    assert pack(value) == msgpack.packb(value)


@pytest.mark.parametrize("length", [0, 15, 16, 31, 32, 255, 256, 65535, 65536])
def test_takes_the_shortest_head_at_every_length(length):
    for value in ("a" * length, b"a" * length, [None] * length, {str(n): n for n in range(length)}):
        assert pack(value) == msgpack.packb(value)


def test_packs_not_a_number_and_infinity():
    nan, infinite = msgpack.unpackb(pack([math.nan, math.inf]))
    assert math.isnan(nan)
    assert infinite == math.inf


def test_packs_bytes_like_and_tuples():
    assert pack((bytearray(b"x"), memoryview(b"y"))) == msgpack.packb([b"x", b"y"])


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1])
def test_refuses_integers_that_do_not_fit(value):
    with pytest.raises(OverflowError):
        pack(value)


def test_refuses_a_type_without_a_format():
    with pytest.raises(TypeError, match="set"):
        pack({1, 2})


def test_packs_what_a_path_with_undecodable_bytes_becomes():
    assert msgpack.unpackb(pack("/mnt/\udcff")) == "/mnt/?"
