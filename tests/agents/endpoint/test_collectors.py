"""What is measured, and what happens when measuring goes wrong."""

import math
import os
import threading
import time
from collections import namedtuple

import psutil
import pytest
from msp_agent.collectors import all_collectors
from msp_agent.collectors.cpu import CpuCollector
from msp_agent.collectors.host import HostCollector
from msp_agent.collectors.memory import MemoryCollector
from msp_agent.collectors.volumes import VolumeCollector
from msp_agent.sampler import Sampler

Times = namedtuple("Times", "user nice system idle iowait guest guest_nice")
Part = namedtuple("Part", "device mountpoint fstype opts")
Usage = namedtuple("Usage", "total used free percent")


def one(collector):
    return {(metric, instance): value for metric, instance, value in collector.collect()}


class Scripted:
    """A collector that does what the test says."""

    def __init__(self, name, act, period_seconds=0.0):
        self.name, self.act, self.period_seconds = name, act, period_seconds

    def collect(self):
        return self.act()


def test_measures_the_processor_from_the_very_first_sample():
    readings = iter([Times(100, 0, 50, 800, 50, 40, 0), Times(130, 0, 60, 840, 70, 60, 0)])
    slept = []
    collector = CpuCollector(read=lambda: next(readings), monotonic=lambda: 0.0, sleep=slept.append)
    # 40 busy of 100 - guest time is inside user, waiting for disks is idle.
    assert one(collector)["system.cpu.utilization", ""] == pytest.approx(40 / 100)
    assert slept == [pytest.approx(0.25)]


def test_measures_nothing_when_the_counters_went_back():
    readings = iter([Times(100, 0, 50, 800, 0, 0, 0), Times(1, 0, 1, 5, 0, 0, 0)])
    collector = CpuCollector(
        read=lambda: next(readings), monotonic=lambda: 0.0, sleep=lambda seconds: None
    )
    assert math.isnan(one(collector)["system.cpu.utilization", ""])


def test_measures_this_machines_memory_as_the_kernel_tells_it():
    found = one(MemoryCollector())
    limit = found["system.memory.limit", ""]
    assert limit == psutil.virtual_memory().total
    assert found["system.memory.utilization", ""] == pytest.approx(
        found["system.memory.usage", ""] / limit
    )
    assert (("system.paging.utilization", "") in found) == bool(psutil.swap_memory().total)


def test_measures_uptime_that_goes_on():
    collector = HostCollector()
    first = one(collector)["system.uptime", ""]
    time.sleep(0.01)
    assert 0 < first < one(collector)["system.uptime", ""]


PARTITIONS = [
    Part("/dev/sda1", "/", "ext4", "rw"),
    Part("/dev/sda1", "/var/lib/docker/bind", "ext4", "rw"),
    Part("/dev/sdb1", "/srv/data", "xfs", "rw"),
    Part("/dev/sdb1", "/srv", "xfs", "rw"),
    Part("/dev/loop3", "/snap/core/1", "squashfs", "ro"),
    Part("/dev/loop4", "/mnt/image", "ext4", "ro,nodev"),
    Part("tmpfs", "/run", "tmpfs", "rw"),
    Part("proc", "/proc", "proc", "rw"),
    Part("nas:/x", "/mnt/nas", "nfs4", "rw"),
    Part("/dev/sr0", "D:\\", "", "cdrom"),
    Part("/dev/sda2", "/etc/hosts", "ext4", "rw"),
]


def volumes(**kwargs):
    defaults = {
        "partitions": lambda: PARTITIONS,
        "usage": lambda path: Usage(100, 45, 45, 50.0),
        "is_dir": lambda path: path != "/etc/hosts",
    }
    return VolumeCollector(**{**defaults, **kwargs})


def test_measures_each_physical_volume_once():
    assert volumes().mount_points() == ["/", "/srv"]


def test_measures_configured_paths_whatever_they_are_on():
    assert volumes(include=["/run", "/srv/data"]).mount_points() == [
        "/",
        "/run",
        "/srv",
        "/srv/data",
    ]


def test_measures_the_root_of_a_container():
    overlay = [Part("overlay", "/", "overlay", "rw")]
    assert volumes(partitions=lambda: overlay).mount_points() == ["/"]


def test_calls_a_volume_full_when_programs_cannot_write_any_more():
    found = one(volumes(usage=lambda path: Usage(100, 90, 0, 100.0)))
    assert found["system.filesystem.utilization", "/"] == 1.0
    assert found["system.filesystem.usage", "/"] == 90
    assert found["system.filesystem.limit", "/"] == 100


def test_measures_the_other_volumes_when_one_cannot_be_read():
    def usage(path):
        if path == "/gone":
            raise FileNotFoundError(path)
        return Usage(100, 45, 45, 50.0)

    found = one(volumes(include=["/gone"], usage=usage))
    assert math.isnan(found["system.filesystem.utilization", "/gone"])
    assert found["system.filesystem.utilization", "/"] == 0.5


def test_includes_a_tmpfs_of_this_machine_on_request(tmp_path):
    found = one(VolumeCollector(include=[str(tmp_path)]))
    assert 0 <= found["system.filesystem.utilization", str(tmp_path)] <= 1


def test_samples_all_collectors_of_this_machine_with_distinct_series():
    notes = []
    sample = Sampler(all_collectors(), note=lambda *note: notes.append(note)).sample(
        timeout_seconds=10
    )
    assert notes == []
    assert len(set(sample.series)) == len(sample.series) == len(sample.values)
    assert {"system.cpu.utilization", "system.memory.utilization", "system.uptime"} <= {
        metric for metric, _ in sample.series
    }
    assert not any(math.isnan(value) for value in sample.values)


def test_goes_on_without_a_collector_that_fails():
    answers = iter([[("b", "", 1.0)], OSError("gone"), OSError("gone"), [("b", "", 2.0)]])

    def act():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    notes = []
    sampler = Sampler(
        [Scripted("bad", act), Scripted("good", lambda: [("g", "", 7.0)])],
        note=lambda kind, data: notes.append((kind, data["collector"])),
    )
    samples = [sampler.sample(timeout_seconds=5) for _ in range(4)]
    assert [str(sample.values) for sample in samples] == [
        "[1.0, 7.0]", "[nan, 7.0]", "[nan, 7.0]", "[2.0, 7.0]",
    ]  # fmt: skip
    assert {tuple(sample.series) for sample in samples} == {(("b", ""), ("g", ""))}
    assert notes == [("msp.collector.failed", "bad")]  # the second failure says nothing new


def test_waits_only_once_for_a_collector_that_hangs():
    release = threading.Event()
    calls = []

    def act():
        calls.append(1)
        release.wait(10)
        return [("h", "", float(len(calls)))]

    notes = []
    sampler = Sampler(
        [Scripted("slow", act), Scripted("good", lambda: [("g", "", 7.0)])],
        note=lambda kind, data: notes.append((kind, data["collector"])),
    )
    assert sampler.sample(timeout_seconds=0.2).values == [7.0]
    began = time.monotonic()
    assert sampler.sample(timeout_seconds=5).values == [7.0]
    assert time.monotonic() - began < 2
    assert (notes, calls) == ([("msp.collector.hung", "slow")], [1])
    release.set()
    deadline = time.monotonic() + 5
    values = [7.0]
    while values == [7.0] and time.monotonic() < deadline:
        values = sampler.sample(timeout_seconds=0.5).values
    assert values == [2.0, 7.0]  # asked anew; what it brought late is thrown away


def test_keeps_one_layout_while_a_slow_collector_is_between_two_runs():
    runs = []

    def act():
        runs.append(1)
        return [("s", "", float(len(runs)))]

    sampler = slow_and_quick(act)
    until_series(sampler, [("s", ""), ("q", "")])
    sampled = [sampler.sample(timeout_seconds=5) for _ in range(3)]
    assert [sample.values for sample in sampled] == [[1.0, 7.0]] * 3
    assert len(runs) == 1


def test_does_not_wait_for_a_slow_collector_unless_it_is_told_to():
    release = threading.Event()

    def act():
        release.wait(10)
        return [("s", "", 1.0)]

    notes = []
    sampler = slow_and_quick(act, notes)
    began = time.monotonic()
    assert sampler.sample(timeout_seconds=5).values == [7.0]
    assert time.monotonic() - began < 2
    release.set()
    assert sampler.sample(timeout_seconds=5, is_patient=True).values == [1.0, 7.0]
    assert notes == []


def test_leaves_a_booting_machine_alone_before_the_first_slow_run():
    runs = []
    sampler = Sampler(
        [Scripted("slow", lambda: runs.append(1) or [("s", "", 1.0)], period_seconds=3600)],
        note=lambda *note: None,
    )
    assert sampler.sample(timeout_seconds=1).series == []
    assert runs == []
    assert sampler.sample(timeout_seconds=5, is_patient=True).series == [("s", "")]


def test_takes_back_what_a_slow_collector_said_when_it_fails_and_tries_again():
    answers = iter([[("s", "", 1.0)], OSError("gone"), [("s", "", 3.0)]])

    def act():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    notes = []
    sampler = slow_and_quick(act, notes)
    values = [str(sampler.sample(timeout_seconds=5, is_patient=True).values) for _ in range(3)]
    assert values == ["[1.0, 7.0]", "[nan, 7.0]", "[3.0, 7.0]"]
    assert notes == [("msp.collector.failed", "slow")]


def test_says_when_a_slow_collector_does_not_come_back_for_a_whole_period():
    release = threading.Event()
    notes = []
    sampler = slow_and_quick(
        lambda: release.wait(10) and [("s", "", 1.0)], notes, period_seconds=0.05
    )
    for _ in range(3):
        sampler.sample(timeout_seconds=1)
        time.sleep(0.06)
    release.set()
    assert notes == [("msp.collector.hung", "slow")]


def slow_and_quick(act, notes=None, *, period_seconds=3600):
    """A sampler with a slow collector, due at once, before a quick one."""
    return Sampler(
        [
            Scripted("slow", act, period_seconds=period_seconds),
            Scripted("quick", lambda: [("q", "", 7.0)]),
        ],
        note=lambda kind, data: [] if notes is None else notes.append((kind, data["collector"])),
        first_run_seconds=0.0,
    )


def until_series(sampler, series):
    deadline = time.monotonic() + 5
    while sampler.sample(timeout_seconds=5).series != series:
        assert time.monotonic() < deadline, "the slow one never came"
        time.sleep(0.01)


def test_switches_off_a_collector_that_costs_too_much_again_and_again():
    costs = iter([1, 1, 0, 1, 1, 1, 1, 1])
    runs, notes = [], []

    def act():
        runs.append(1)
        if next(costs):
            burn(0.06)
        return [("b", "", 1.0)]

    sampler = Sampler(
        [Scripted("hungry", act), Scripted("good", lambda: [("g", "", 7.0)])],
        note=lambda kind, data: notes.append((kind, data["collector"])),
        cpu_budget_seconds=0.03,
    )
    samples = [sampler.sample(timeout_seconds=10) for _ in range(8)]
    assert len(runs) == 6  # the cheap third run began the count anew
    assert notes == [("msp.collector.off", "hungry")]
    assert {tuple(sample.series) for sample in samples} == {(("b", ""), ("g", ""))}
    assert [str(sample.values) for sample in samples[5:]] == [
        "[1.0, 7.0]", "[nan, 7.0]", "[nan, 7.0]",
    ]  # fmt: skip


def test_does_not_switch_off_a_collector_that_only_waits():
    notes = []
    sampler = Sampler(
        [Scripted("sleepy", lambda: time.sleep(0.05) or [("s", "", 1.0)])],
        note=lambda *note: notes.append(note),
        cpu_budget_seconds=0.03,
    )
    assert [sampler.sample(timeout_seconds=5).values for _ in range(5)] == [[1.0]] * 5
    assert notes == []


def burn(seconds):
    """Use processor time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_reports_no_series_that_the_protocol_has_no_name_for():
    odd = ["ok", "line\nbreak", "x" * 201, os.fsdecode(b"/mnt/\xff")]
    sampler = Sampler(
        [Scripted("volumes", lambda: [("m", instance, 1.0) for instance in odd])],
        note=lambda *note: None,
    )
    assert sampler.sample(timeout_seconds=5).series == [("m", "ok")]


def test_reports_at_most_as_many_series_as_a_report_may_hold_and_says_so_once():
    notes = []
    sampler = Sampler(
        [Scripted("many", lambda: [("m", str(n), 1.0) for n in range(301)])],
        note=lambda *note: notes.append(note),
    )
    for _ in range(2):
        assert len(sampler.sample(timeout_seconds=5).series) == 300
    assert notes == [("msp.series.limit", {"series": 301, "limit": 300})]
