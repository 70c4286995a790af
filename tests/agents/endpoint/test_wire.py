"""Layout names, packed rows and the report itself."""

import hashlib
import json
import math
import struct

import msgpack
from hypothesis import given
from hypothesis import strategies as st
from msp_agent import wire
from msp_agent.inventory import cpu_model, section_hash
from msp_agent.wire import layout_id, pack_row, unpack_row

BATCH = wire.Batch(
    epoch=5,
    seq=7,
    lane="live",
    clock_offset=-3,
    layout="0" * 16,
    layout_def=[["m", ""]],
    is_layout_known=True,
    rows=[(10, b"\0\0\x80\x3f")],
    boot_id="b",
    power="on",
)


def test_names_a_layout_by_its_canonical_json():
    text = '[["system.cpu.utilization",""],["system.filesystem.utilization","/größe"]]'
    expected = hashlib.sha256(text.encode()).hexdigest()[:16]
    series = [("system.cpu.utilization", ""), ("system.filesystem.utilization", "/größe")]
    assert layout_id(series) == expected


def test_gives_another_order_another_name():
    assert layout_id([("a", ""), ("b", "")]) != layout_id([("b", ""), ("a", "")])


@given(st.lists(st.floats(width=32)))
def test_packs_rows_as_little_endian_float32(values):
    assert pack_row(values) == b"".join(struct.pack("<f", value) for value in values)
    assert [str(value) for value in unpack_row(pack_row(values))] == [str(v) for v in values]


def test_calls_a_value_outside_float32_not_measured():
    first, second = unpack_row(pack_row([1e300, 2.0]))
    assert math.isnan(first)
    assert second == 2.0


def test_writes_the_fields_of_the_protocol():
    body = msgpack.unpackb(wire.encode(wire.report(BATCH, sent_at=99))[0])
    assert body == {
        "v": 1, "epoch": 5, "seq": 7, "lane": "live", "sent_at": 99, "clock_offset": -3,
        "layout": "0" * 16, "rows": [[10, b"\0\0\x80\x3f"]], "events": [], "lost": [],
        "boot_id": "b", "power": "on",
    }  # fmt: skip


def test_adds_the_layout_when_asked():
    assert wire.report(BATCH, sent_at=99, with_layout=True)["layout_def"] == [["m", ""]]


def test_hashes_a_section_by_its_canonical_json():
    content = {"b": 1, "a": {"d": "é", "c": None}}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert section_hash(content) == hashlib.sha256(text.encode()).hexdigest()


def test_reads_the_processors_name():
    text = "processor\t: 0\nmodel name\t: Some  CPU @ 2.0GHz\n"
    assert cpu_model(lambda: text) == "Some CPU @ 2.0GHz"
    assert cpu_model(lambda: "processor\t: 0\n")
