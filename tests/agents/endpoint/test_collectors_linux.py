"""What the Linux collectors make of recorded files and answers, and of this machine."""

import json
import math
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from msp_agent.clock import Clock
from msp_agent.collectors.disks import DiskCollector
from msp_agent.collectors.network import NetworkCollector
from msp_agent.collectors.pressure import PressureCollector
from msp_agent.collectors.services import ServiceCollector
from msp_agent.collectors.timekeeping import ClockCollector
from msp_agent.collectors.updates import (
    UpdatesCollector,
    UpdateStateCollector,
    count_updates,
)

AGENT_ROOT = Path(__file__).parents[3] / "agents/endpoint"
FIXTURES = Path(__file__).parent / "fixtures"
IO_RATE, DISK_RATE = "system.network.io.rate", "system.disk.io.rate"


def one(collector):
    return {(metric, instance): value for metric, instance, value in collector.collect()}


class Proc:
    """A /proc that psutil reads instead of the real one, and a clock that stands beside it."""

    def __init__(self, root, monkeypatch):
        self.root, self.seconds, self.slept = root, 100.0, []
        (root / "net").mkdir()
        monkeypatch.setattr(psutil, "PROCFS_PATH", str(root))

    def put(self, name, *changes):
        text = (FIXTURES / name.replace("/", "_")).read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (self.root / name).write_text(text)

    def time(self):
        return {"monotonic": lambda: self.seconds, "sleep": self.sleep}

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def proc(tmp_path, monkeypatch):
    root = tmp_path / "proc"
    root.mkdir()
    return Proc(root, monkeypatch)


def hardware(tmp_path, *names):
    for name in names:
        (tmp_path / "sys" / name / "device").mkdir(parents=True)
    return tmp_path / "sys"


# -- network


def test_measures_bytes_errors_and_drops_of_real_interfaces_only(proc, tmp_path):
    proc.put("net/dev")
    classes = hardware(tmp_path, "eth0", "eth1")
    collector = NetworkCollector(classes=classes, **proc.time())
    proc.seconds += 60
    proc.put(
        "net/dev",
        (" 2303800528  135217    2    1", " 2303806528  135317    8    4"),
        ("10860830  110818    3    4", "10866830  110918    9    7"),
    )
    # eth1 has no cable; lo, veth, docker and the bridge are no hardware.
    assert one(collector) == {
        (IO_RATE, "eth0 receive"): 100.0,
        (IO_RATE, "eth0 transmit"): 100.0,
        ("system.network.errors.rate", "eth0"): pytest.approx(12 / 60),
        ("system.network.packet.dropped.rate", "eth0"): pytest.approx(6 / 60),
    }
    assert proc.slept == []


def test_measures_a_containers_own_interface_which_is_no_hardware(proc, tmp_path):
    proc.put("net/dev")
    collector = NetworkCollector(classes=tmp_path / "nothing", **proc.time())
    assert {instance for _, instance in one(collector)} == {
        "eth0",
        "eth0 receive",
        "eth0 transmit",
    }


def test_takes_counters_that_went_back_or_are_new_for_not_measured(proc, tmp_path):
    proc.put("net/dev")
    classes = hardware(tmp_path, "eth0", "eth1")
    collector = NetworkCollector(classes=classes, **proc.time())
    proc.seconds += 60
    proc.put(
        "net/dev",
        (" 2303800528", " 17"),
        ("eth1:       0", "eth1:     500"),
    )
    found = one(collector)
    assert {instance for _, instance in found} >= {"eth0 receive", "eth1 receive"}
    assert all(math.isnan(value) for value in found.values())
    proc.seconds += 10
    proc.put("net/dev", (" 2303800528", " 1017"), ("eth1:       0", "eth1:     700"))
    found = one(collector)
    assert (found[IO_RATE, "eth0 receive"], found[IO_RATE, "eth1 receive"]) == (100.0, 20.0)


def test_looks_long_enough_for_a_rate_right_after_the_start(proc, tmp_path):
    proc.put("net/dev")
    collector = NetworkCollector(classes=hardware(tmp_path, "eth0"), **proc.time())
    assert set(one(collector).values()) == {0.0}
    assert proc.slept == [pytest.approx(0.25)]


def test_counts_what_really_goes_through_an_interface_of_this_machine():
    name = next((n for n, io in psutil.net_io_counters(pernic=True).items() if n == "lo"), None)
    if name is None:
        pytest.skip("no loopback interface")
    real = psutil.net_io_counters
    collector = NetworkCollector(
        read=lambda: {"eth9": real(pernic=True, nowrap=False)["lo"]}, classes=Path("/nonexistent")
    )
    udp = [threading.Thread(target=_send_udp, args=(200, 1000)) for _ in range(2)]
    for thread in udp:
        thread.start()
    for thread in udp:
        thread.join()
    assert one(collector)[IO_RATE, "eth9 transmit"] > 400_000 / 60


def _send_udp(count, size):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            sock.sendto(bytes(size), ("127.0.0.1", 9))


# -- disks


def test_measures_whole_disks_that_are_hardware(proc, tmp_path):
    proc.put("diskstats")
    blocks = hardware(tmp_path, "sda", "nvme0n1", "sr0")
    collector = DiskCollector(blocks=blocks, **proc.time())
    proc.seconds += 10
    # 100 reads of 4 KiB in 300 ms, 50 writes of 8 KiB in 450 ms; busy for 5 of 10 s.
    proc.put(
        "diskstats",
        (
            "sda 1000 0 8000 400 2000 0 16000 600 0 900 1000",
            "sda 1100 0 8800 700 2050 0 16800 1050 0 5900 2000",
        ),
    )
    assert one(collector) == {
        (DISK_RATE, "sda read"): 40_960.0,
        (DISK_RATE, "sda write"): 40_960.0,
        ("msp.disk.latency", "sda"): pytest.approx(0.005),
        ("msp.disk.busy", "sda"): 0.5,
        (DISK_RATE, "nvme0n1 read"): 0.0,
        (DISK_RATE, "nvme0n1 write"): 0.0,
        ("msp.disk.latency", "nvme0n1"): 0.0,
        ("msp.disk.busy", "nvme0n1"): 0.0,
    }


def test_is_never_busier_than_all_the_time(proc, tmp_path):
    proc.put("diskstats")
    collector = DiskCollector(blocks=hardware(tmp_path, "sda"), **proc.time())
    proc.seconds += 1
    proc.put("diskstats", ("0 900 1000 0", "0 1904 2004 0"))
    assert one(collector)["msp.disk.busy", "sda"] == 1.0


def test_knows_nothing_of_a_disk_whose_counters_began_anew(proc, tmp_path):
    proc.put("diskstats")
    collector = DiskCollector(blocks=hardware(tmp_path, "sda"), **proc.time())
    proc.seconds += 60
    proc.put("diskstats", ("sda 1000 0 8000", "sda 1 0 8"))
    assert all(math.isnan(value) for value in one(collector).values())


# -- pressure


def test_reads_the_share_of_the_last_minute_in_which_something_waited(tmp_path):
    (tmp_path / "cpu").write_text(
        "some avg10=1.44 avg60=12.50 avg300=0.69 total=5570833932\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    )
    (tmp_path / "io").write_text("some avg10=0.66 avg60=0.31 avg300=0.10 total=123585603\n")
    assert one(PressureCollector(root=tmp_path)) == {
        ("msp.pressure.cpu", ""): 0.125,
        ("msp.pressure.io", ""): pytest.approx(0.0031),
    }


def test_measures_no_pressure_where_the_kernel_does_not():
    assert one(PressureCollector(root=Path("/nonexistent"))) == {}


@pytest.mark.skipif(not os.access("/proc/pressure/cpu", os.R_OK), reason="no PSI in this kernel")
def test_reads_this_kernels_pressure():
    found = one(PressureCollector())
    assert ("msp.pressure.cpu", "") in found
    assert all(0 <= value <= 1 for value in found.values())


# -- services


UNITS = ["nginx.service", "mysql.service", "crashing.service", "nosuch.service"]


def test_says_which_watched_units_are_up(tmp_path):
    asked = []

    def show(units):
        asked.append(list(units))
        return (FIXTURES / "systemctl_show").read_text()

    collector = ServiceCollector([*UNITS, "nginx.service"], show=show, mark=tmp_path)
    # mysql.service is an alias, answered as mariadb.service: it keeps the name it was given.
    assert collector.collect() == [
        ("msp.service.up", "nginx.service", 1.0),
        ("msp.service.up", "mysql.service", 0.0),
        ("msp.service.up", "crashing.service", 0.0),
        ("msp.service.up", "nosuch.service", 0.0),
    ]
    assert asked == [UNITS]


def test_asks_nobody_about_services_without_systemd_or_without_a_list(tmp_path):
    def show(units):
        raise AssertionError("asked")

    gone = tmp_path / "gone"
    assert ServiceCollector(UNITS, show=show, mark=gone).collect() == []
    assert ServiceCollector([], show=show, mark=tmp_path).collect() == []


def test_takes_an_answer_about_other_units_for_a_failure(tmp_path):
    collector = ServiceCollector(
        UNITS, show=lambda units: "Id=a.service\nActiveState=active\n", mark=tmp_path
    )
    with pytest.raises(ValueError, match="zip"):
        collector.collect()


def test_asks_systemctl_once_for_all_units(tmp_path, monkeypatch):
    program = tmp_path / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncat {FIXTURES / "systemctl_show"}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert [value for *_, value in ServiceCollector(UNITS, mark=tmp_path).collect()] == [1, 0, 0, 0]
    (line,) = (tmp_path / "asked").read_text().splitlines()
    assert line == f"show --no-pager --property=Id,ActiveState -- {' '.join(UNITS)}"
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(subprocess.CalledProcessError):
        ServiceCollector(UNITS, mark=tmp_path).collect()


# -- updates


def test_counts_updates_and_those_for_security():
    # The new kernel package is no update itself; the package that pulls it in is.
    assert count_updates((FIXTURES / "apt_upgrade").read_text()) == (5, 3)
    assert count_updates("") == (0, 0)


def test_asks_apt_only_where_there_is_apt():
    def simulate():
        raise AssertionError("asked")

    assert UpdatesCollector(simulate=simulate, is_apt=lambda: False).collect() == []
    assert UpdateStateCollector(is_apt=lambda: False).collect() == []


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt here")
def test_asks_this_machines_apt_without_changing_anything():
    lists = Path("/var/lib/dpkg/status").stat().st_mtime_ns
    found = one(UpdatesCollector())
    assert found["msp.updates.pending", ""] >= found["msp.updates.security", ""] >= 0
    assert Path("/var/lib/dpkg/status").stat().st_mtime_ns == lists


def test_says_when_a_restart_is_needed_and_for_how_long_nothing_was_updated(tmp_path):
    mark, lists, status = (tmp_path / name for name in ("reboot-required", "lists", "status"))
    for path, at in ((lists, 1_000), (status, 4_000)):
        path.touch()
        os.utime(path, (at, at))
    collector = UpdateStateCollector(
        mark=mark,
        changed=[lists, status, tmp_path / "absent"],
        now=lambda: 10_000.0,
        is_apt=lambda: True,
    )
    assert one(collector) == {("msp.reboot.required", ""): 0.0, ("msp.updates.age", ""): 6_000.0}
    mark.touch()
    os.utime(lists, (9_000, 9_000))
    assert one(collector) == {("msp.reboot.required", ""): 1.0, ("msp.updates.age", ""): 1_000.0}


# -- clock


def test_says_how_wrong_the_clock_is_once_the_server_has_answered():
    clock = Clock(wall=lambda: 1_000_000)
    collector = ClockCollector(clock)
    assert math.isnan(one(collector)["msp.clock.offset", ""])
    clock.learn(1_000_010)
    assert one(collector)["msp.clock.offset", ""] == 0.0  # within the network's noise
    for server_ms in (1_090_000, 910_000):  # fast or slow: wrong by as much
        clock.learn(server_ms)
        assert one(collector)["msp.clock.offset", ""] == 90.0


# -- all of them


def test_prints_a_sample_that_waited_for_the_slow_collectors(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "msp_agent", "collect", "--state-dir", str(tmp_path)],
        cwd=AGENT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    printed = json.loads(done.stdout)
    metrics = {row["metric"] for row in printed["samples"]}
    assert printed["trouble"] == []
    assert ("msp.updates.pending" in metrics) == (shutil.which("apt-get") is not None)
