"""What identifies the machine, which system runs on it, and what it is for.

The identifiers are those that survive a reinstall: serial number, board UUID, MAC addresses. On
Linux the first two are readable by root only; `msp-agent hardware --out FILE` lets a root step
before the unprivileged service write them down (see the systemd unit).
"""

import json
import os
import platform
import re
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

DMI = Path("sys/class/dmi/id")
NETWORK = Path("sys/class/net")
HARDWARE_FILE_VARIABLE = "MSP_AGENT_HARDWARE_FILE"

# What firmware says when nobody filled the field in; compared without case, spaces and dots.
PLACEHOLDERS = frozenset(
    {
        "",
        "0",
        "0123456789",
        "123456789",
        "1234567890",
        "basedboardserialnumber",
        "boardserialnumber",
        "chassisserialnumber",
        "default",
        "defaultstring",
        "empty",
        "invalid",
        "n/a",
        "na",
        "none",
        "notapplicable",
        "notavailable",
        "notspecified",
        "null",
        "oem",
        "serial",
        "serialnumber",
        "systemserialnumber",
        "tobefilledbyoem",
        "unknown",
        "x",
        "xxxxxxxx",
    }
)
# A UUID that a board maker burned into every board of a series.
PLACEHOLDER_UUIDS = frozenset({"03000200-0400-0500-0006-000700080009"})
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
# Second bit of the first octet: the address was made up by software, not burned in.
LOCALLY_ADMINISTERED = 0x02
MULTICAST = 0x01

# Source: SMBIOS 3.7, table 17 (System Enclosure or Chassis Types).
WORKSTATION_CHASSIS = frozenset(
    {3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 30, 31, 32, 35, 36}
)
SERVER_CHASSIS = frozenset({17, 23, 25, 28, 29})


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """The three identifiers; None or empty where the machine does not tell."""

    serial: str | None = None
    board_uuid: str | None = None
    macs: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the form that enrolment sends."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class System:
    """The operating system: family (linux, windows, macos), name, version."""

    family: str
    name: str
    version: str

    def as_dict(self) -> dict[str, str]:
        """Return the form that enrolment sends."""
        return asdict(self)


def real_serial(text: str | None) -> str | None:
    """Return a serial number, or None if it is what a maker leaves when there is none."""
    cleaned = " ".join((text or "").split())
    plain = re.sub(r"[\s._-]", "", cleaned).lower()
    if plain in PLACEHOLDERS or len(set(plain)) == 1:
        return None
    return cleaned


def real_uuid(text: str | None) -> str | None:
    """Return a lower-case UUID, or None for a malformed, uniform or known shared one."""
    uuid = (text or "").strip().lower()
    if not UUID.fullmatch(uuid) or len(set(uuid.replace("-", ""))) == 1:
        return None
    return None if uuid in PLACEHOLDER_UUIDS else uuid


def real_mac(text: str | None) -> str | None:
    """Return a lower-case MAC address with colons if a maker burned it in, else None."""
    mac = (text or "").strip().lower().replace("-", ":")
    if not MAC.fullmatch(mac) or mac == "00:00:00:00:00:00":
        return None
    first = int(mac[:2], 16)
    return None if first & (LOCALLY_ADMINISTERED | MULTICAST) else mac


def read_hardware(root: Path = Path("/"), *, environ: Mapping[str, str] = os.environ) -> Hardware:
    """Return the machine's identifiers, as far as this user may read them.

    What root wrote down (`MSP_AGENT_HARDWARE_FILE`) fills in what is closed to us.
    """
    noted = _noted_hardware(environ.get(HARDWARE_FILE_VARIABLE))
    return Hardware(
        serial=real_serial(_read(root / DMI / "product_serial"))
        or real_serial(_read(root / DMI / "board_serial"))
        or noted.serial,
        board_uuid=real_uuid(_read(root / DMI / "product_uuid")) or noted.board_uuid,
        macs=_macs(root),
    )


def guess_role(root: Path = Path("/")) -> str:
    """Return "server" or "workstation": by chassis, else by whether people sign in to a desktop."""
    family = system_family()
    if family == "macos":
        return "workstation"
    if family == "windows":
        return "server" if "Server" in (platform.win32_edition() or "") else "workstation"
    chassis = _read(root / DMI / "chassis_type")
    if chassis and chassis.isdigit():
        if int(chassis) in SERVER_CHASSIS:
            return "server"
        if int(chassis) in WORKSTATION_CHASSIS and _has_desktop(root):
            return "workstation"
        if 8 <= int(chassis) <= 14 or int(chassis) >= 30:  # portable: nobody racks those
            return "workstation"
    return "workstation" if _has_desktop(root) else "server"


def read_system(root: Path = Path("/")) -> System:
    """Return which operating system runs here."""
    family = system_family()
    if family == "macos":
        return System(family=family, name="macOS", version=platform.mac_ver()[0])
    if family == "windows":
        return System(
            family=family,
            name=f"Windows {platform.release()}",
            version=platform.version(),
        )
    fields = _os_release(root)
    return System(
        family=family,
        name=fields.get("NAME", platform.system()),
        version=fields.get("VERSION_ID", platform.release()),
    )


def system_family() -> str:
    """Return linux, windows or macos."""
    return {"Windows": "windows", "Darwin": "macos"}.get(platform.system(), "linux")


def host_name() -> str:
    """Return the machine's name without its domain."""
    return socket.gethostname().split(".")[0] or "unnamed"


def read_boot_id(root: Path = Path("/")) -> str:
    """Return an id that changes with every boot."""
    text = _read(root / "proc/sys/kernel/random/boot_id")
    if text:
        return text
    # Without the kernel's own id: to ten seconds, because the boot time is computed from a clock
    # that moves.
    return f"boot-{int(psutil.boot_time()) // 10}"


def _macs(root: Path) -> list[str]:
    found = set()
    for name, addresses in psutil.net_if_addrs().items():
        if _is_virtual(name, root):
            continue
        for address in addresses:
            if address.family == psutil.AF_LINK and (mac := real_mac(address.address)):
                found.add(mac)
    return sorted(found)


def _is_virtual(name: str, root: Path) -> bool:
    """Bridges, tunnels, containers' ends: on Linux they have no device behind them."""
    network = root / NETWORK / name
    return network.exists() and not (network / "device").exists()


def _has_desktop(root: Path) -> bool:
    return (root / "etc/systemd/system/display-manager.service").is_symlink() or any(
        (root / "usr/share" / kind).is_dir() and any((root / "usr/share" / kind).iterdir())
        for kind in ("xsessions", "wayland-sessions")
    )


def _os_release(root: Path) -> dict[str, str]:
    text = _read(root / "etc/os-release") or _read(root / "usr/lib/os-release") or ""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def _noted_hardware(path: str | None) -> Hardware:
    if not path:
        return Hardware()
    try:
        noted = json.loads(Path(path).read_text())
        return Hardware(
            serial=real_serial(noted.get("serial")),
            board_uuid=real_uuid(noted.get("board_uuid")),
        )
    except (OSError, ValueError, AttributeError):
        return Hardware()


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None
