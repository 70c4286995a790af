"""Inventory sections: what the machine is, sent when it changed."""

import hashlib
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from msp_agent import __version__
from msp_agent.hardware import host_name, read_system
from msp_agent.wire import canonical_json

Section = dict[str, Any]


def section_hash(content: Section) -> str:
    """Return the SHA-256 (hex) of a section's canonical JSON."""
    return hashlib.sha256(canonical_json(content)).hexdigest()


def system_section(*, boot_time: int) -> Section:
    """Return the section `system`. `boot_time` is in ms UTC and constant within a boot."""
    system = read_system()
    return {
        "hostname": host_name(),
        "os": system.as_dict(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cpu": {
            "model": cpu_model(),
            "cores": psutil.cpu_count(logical=False) or os.cpu_count() or 0,
            "threads": os.cpu_count() or 0,
        },
        "ram_bytes": psutil.virtual_memory().total,
        "boot_time": boot_time,
        "agent_version": __version__,
    }


def cpu_model(read: Callable[[], str] | None = None) -> str:
    """Return the processor's name as its maker writes it, or the best the system says."""
    try:
        text = read() if read else Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Hardware", "cpu model") and value.strip():
            return " ".join(value.split())
    return platform.processor() or platform.machine()


def boot_time_ms(now_ms: int, ticks_ms: int) -> int:
    """Return when the machine was booted, ms UTC, to the second."""
    return (now_ms - ticks_ms) // 1000 * 1000
