"""What the machine itself must bring: Chromium for the tests, Pango for PDF.

    python3 scripts/machine.py            say loudly what is missing; exit status 1 if anything is
    python3 scripts/machine.py --install  install it with apt-get, as root on Debian or Ubuntu

Only the standard library: it runs before anything is installed.
"""

import ctypes
import os
import shutil
import subprocess
import sys

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# What WeasyPrint loads at run time, and the Debian package of each.
LIBRARIES = {
    "libpango-1.0.so.0": "libpango-1.0-0",
    "libpangoft2-1.0.so.0": "libpangoft2-1.0-0",
    "libharfbuzz-subset.so.0": "libharfbuzz-subset0",
}
FONTS = ("fonts-dejavu-core", "fonts-liberation")


def missing_packages() -> list[str]:
    """Return the Debian packages whose files this machine lacks."""
    packages = [package for library, package in LIBRARIES.items() if not _loads(library)]
    if not any(shutil.which(browser) for browser in BROWSERS):
        packages.insert(0, "chromium")
    return packages


def main() -> int:
    """Say what is missing, or install it."""
    if "--install" in sys.argv[1:]:
        return install()
    packages = missing_packages()
    if packages:
        print(
            f"""
!! THIS MACHINE LACKS: {", ".join(packages)}
!! Without Chromium the browser tests fail; without Pango there is no PDF.
!! As root on Debian or Ubuntu: make system
!! or: apt-get install {" ".join([*packages, *FONTS])}
""",
            file=sys.stderr,
        )
    return 1 if packages else 0


def install() -> int:
    """Install the packages with apt-get; return its exit status."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print("Only root can do this, and only with apt-get. Needed are:", file=sys.stderr)
        print("  chromium", *LIBRARIES.values(), *FONTS, file=sys.stderr)
        return 1
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    words = ["apt-get", "install", "--yes", "--no-install-recommends"]
    packages = ["chromium", *LIBRARIES.values(), *FONTS]
    subprocess.run(["apt-get", "update"], env=environment, check=False)  # noqa: S607
    return subprocess.run([*words, *packages], env=environment, check=False).returncode  # noqa: S603


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
