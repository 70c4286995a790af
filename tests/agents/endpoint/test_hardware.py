"""What identifies a machine, and what is only a maker's placeholder."""

from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from msp_agent import hardware
from msp_agent.hardware import guess_role, read_hardware, real_mac, real_serial, real_uuid


def machine(root: Path, **files: str) -> Path:
    for name, content in files.items():
        path = root / hardware.DMI / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    "text",
    ["To be filled by O.E.M.", "TO BE FILLED BY O.E.M", "Default string", "00000000", "", "  ",
     "None", "Not Specified", "System Serial Number", "FFFFFFFF", "N/A", "0123456789", None],
)  # fmt: skip
def test_ignores_a_placeholder_serial(text):
    assert real_serial(text) is None


@pytest.mark.parametrize("text", ["5CG1234XYZ", "VMware-56 4d 1f", "PF0ABCDE"])
def test_keeps_a_real_serial(text):
    assert real_serial(f" {text} \n") == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4C4C4544-0042-3510-8052-B4C04F564433\n", "4c4c4544-0042-3510-8052-b4c04f564433"),
        ("00000000-0000-0000-0000-000000000000", None),
        ("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", None),
        ("03000200-0400-0500-0006-000700080009", None),
        ("Not Settable", None),
        (None, None),
    ],
)
def test_keeps_only_a_real_board_uuid(text, expected):
    assert real_uuid(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00-1B-21-AA-BB-CC", "00:1b:21:aa:bb:cc"),
        ("00:00:00:00:00:00", None),
        ("02:42:ac:11:00:02", None),
        ("ff:ff:ff:ff:ff:ff", None),
        ("01:00:5e:00:00:01", None),
        ("nonsense", None),
    ],
)
def test_keeps_only_a_mac_that_was_burned_in(text, expected):
    assert real_mac(text) == expected


def test_reads_what_the_firmware_tells(tmp_path, monkeypatch):
    Address = namedtuple("Address", "family address")
    for name in ("eth0", "docker0"):
        (tmp_path / hardware.NETWORK / name).mkdir(parents=True)
    (tmp_path / hardware.NETWORK / "eth0/device").mkdir()
    monkeypatch.setattr(
        psutil,
        "net_if_addrs",
        lambda: {
            "eth0": [Address(psutil.AF_LINK, "00:1b:21:aa:bb:cc"), Address(2, "10.0.0.1")],
            "docker0": [Address(psutil.AF_LINK, "00:1b:21:aa:bb:cd")],
        },
    )
    root = machine(
        tmp_path,
        product_serial="Default string",
        board_serial="MB-77",
        product_uuid="4C4C4544-0042-3510-8052-B4C04F564433",
    )
    assert read_hardware(root, environ={}).as_dict() == {
        "serial": "MB-77",
        "board_uuid": "4c4c4544-0042-3510-8052-b4c04f564433",
        "macs": ["00:1b:21:aa:bb:cc"],
    }


def test_takes_what_root_noted_where_the_firmware_is_closed(tmp_path):
    noted = tmp_path / "hardware.json"
    noted.write_text('{"serial": "S-1", "board_uuid": "none", "macs": ["02:00:00:00:00:01"]}')
    found = read_hardware(tmp_path, environ={hardware.HARDWARE_FILE_VARIABLE: str(noted)})
    assert (found.serial, found.board_uuid) == ("S-1", None)


def test_survives_a_note_that_is_no_json(tmp_path):
    noted = tmp_path / "hardware.json"
    noted.write_text("[1]")
    found = read_hardware(tmp_path, environ={hardware.HARDWARE_FILE_VARIABLE: str(noted)})
    assert found.serial is None


@pytest.mark.parametrize(
    ("chassis", "has_desktop", "expected"),
    [
        ("23", True, "server"),
        ("10", False, "workstation"),
        ("3", True, "workstation"),
        ("3", False, "server"),
        ("1", False, "server"),
        ("1", True, "workstation"),
        (None, False, "server"),
    ],
)
def test_guesses_what_the_machine_is_for(tmp_path, monkeypatch, chassis, has_desktop, expected):
    monkeypatch.setattr(hardware.platform, "system", lambda: "Linux")
    if chassis:
        machine(tmp_path, chassis_type=chassis)
    if has_desktop:
        sessions = tmp_path / "usr/share/wayland-sessions"
        sessions.mkdir(parents=True)
        (sessions / "some.desktop").touch()
    assert guess_role(tmp_path) == expected
