"""What is worth a sample out of turn, and how often."""

import math
import threading

import pytest
from msp_agent.breach import GIB, Breaches, Limits
from msp_agent.config import AgentConfig, ConfigError, load_config
from msp_agent.sampler import Sample, Sampler

from .test_collectors import Scripted
from .test_run import make_agent, running, until

MEMORY, UP = ("system.memory.utilization", ""), ("msp.service.up", "nginx.service")
DISK, USED = ("system.filesystem.utilization", "/srv"), ("system.filesystem.usage", "/srv")


def sample(values):
    return Sample(series=list(values), values=list(values.values()))


class Watch:
    def __init__(self):
        self.now = 0.0
        self.breaches = Breaches(Limits(), monotonic=lambda: self.now)

    def look(self, values, *, after=10.0):
        self.now += after
        return self.breaches.to_push(sample(values))


@pytest.mark.parametrize(
    ("values", "is_breach"),
    [
        ({MEMORY: 0.97}, True),
        ({MEMORY: 0.969}, False),
        ({UP: 0.0}, True),
        ({UP: 1.0}, False),
        ({DISK: 0.96, USED: 96 * GIB}, True),
        ({DISK: 0.96, USED: 960 * GIB}, False),  # 40 GiB are left
        ({DISK: 0.90, USED: 9 * GIB}, False),
        ({DISK: 1.0, USED: 9 * GIB}, True),
        ({DISK: 0.0, USED: 0.0}, False),
        ({DISK: math.nan, USED: math.nan, MEMORY: math.nan, UP: math.nan}, False),
        ({("system.cpu.utilization", ""): 1.0}, False),
    ],
)
def test_knows_what_a_breach_is(values, is_breach):
    assert bool(Watch().look(values)) == is_breach


def test_pushes_once_while_it_stays_breached():
    watch = Watch()
    looks = [watch.look({UP: up}) for up in (1.0, 0.0, 0.0, 0.0)]
    assert looks == [[], [UP], [], []]
    assert watch.look({UP: 0.0}, after=3600) == []


def test_pushes_a_cause_that_comes_and_goes_once_a_minute():
    watch = Watch()
    pushed = sum(bool(watch.look({UP: float(n % 2)}, after=5)) for n in range(240))
    assert pushed == 20  # in 20 min


def test_pushes_the_second_breach_when_its_minute_is_over():
    watch = Watch()
    assert watch.look({UP: 0.0}) == [UP]
    assert watch.look({UP: 1.0}) == []
    assert [watch.look({UP: 0.0}) for _ in range(6)] == [[], [], [], [], [UP], []]


def test_pushes_each_cause_by_itself():
    watch = Watch()
    assert watch.look({UP: 0.0, MEMORY: 0.5}) == [UP]
    assert watch.look({UP: 0.0, MEMORY: 0.99}) == [MEMORY]


def test_does_not_take_a_failed_look_for_mended():
    watch = Watch()
    assert watch.look({UP: 0.0}) == [UP]
    assert watch.look({UP: math.nan}) == []
    assert watch.look({UP: 0.0}, after=300) == []


def test_does_not_push_what_a_sample_has_told_already():
    watch = Watch()
    watch.breaches.told_by(sample({UP: 0.0}))
    assert watch.look({UP: 0.0}) == []
    watch.breaches.told_by(sample({UP: 1.0}))
    assert watch.look({UP: 0.0}) == [UP]


def test_sends_a_full_sample_at_once_when_a_service_goes_down(server, tmp_path):
    agent = make_agent(server, tmp_path, interval=600, check_seconds=1)
    up = threading.Event()
    up.set()
    service = Scripted("services", lambda: [(*UP, float(up.is_set()))])
    agent.light_sampler = Sampler([service], note=lambda *note: None)
    thread = running(agent)
    try:
        until(lambda: len(server.times()) == 1)
        until(lambda: agent.keeper.spool.get("last_ack") is not None)
        up.clear()
        until(lambda: len(server.times()) == 2, seconds=5)
        up.wait(2.5)  # two looks more
    finally:
        agent.stop.set()
        thread.join()
    assert len(server.times()) == 2
    pushed = {metric for ts, metric, _ in server.rows() if ts == max(server.times())}
    assert {"system.cpu.utilization", "system.uptime"} <= pushed


def test_looks_between_samples_as_often_as_it_is_told(tmp_path):
    path = tmp_path / "agent.toml"
    path.write_text(
        '[services]\nwatch = ["nginx.service", "app@1.service"]\n'
        "[push]\ncheck_seconds = 30\nvolume_used = 0.9\nmemory_used = 1\n"
    )
    config = load_config(path, environ={})
    assert config.services_watch == ("nginx.service", "app@1.service")
    assert config.check_seconds == 30
    assert config.push == Limits(volume_used=0.9, memory_used=1)
    assert AgentConfig().push == Limits()


@pytest.mark.parametrize(
    "text",
    [
        '[services]\nwatch = ["nginx"]',
        '[services]\nwatch = ["--property=x.service", "a b.service"]',
        "[services]\nwatch = [1]",
        "[push]\ncheck_seconds = 0.5",
        "[push]\nvolume_used = 95",
        "[push]\nmemory_used = 0",
        "[push]\nmemory = 0.5",
    ],
)
def test_refuses_settings_that_make_no_sense(tmp_path, text):
    path = tmp_path / "agent.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        load_config(path, environ={})
