"""What we did not write ourselves is unchanged, licensed and listed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

LOCK: dict[str, Any] = json.loads((settings.BASE_DIR / "vendor.lock.json").read_text("utf-8"))
ROOT = settings.BASE_DIR / LOCK["root"]
FILES = [(name, digest) for asset in LOCK["assets"] for name, digest in asset["files"].items()]


@pytest.mark.parametrize(("name", "digest"), FILES, ids=[name for name, _ in FILES])
def test_file_is_byte_for_byte_the_locked_one(name: str, digest: str) -> None:
    found = hashlib.sha256((ROOT / name).read_bytes()).hexdigest()
    assert f"sha256-{found}" == digest


def test_every_vendored_file_is_in_the_lock() -> None:
    listed = {name for name, _ in FILES}
    present = {
        str(path.relative_to(ROOT))
        for folder in ("vendor", "fonts")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    assert present <= listed


@pytest.mark.parametrize("asset", LOCK["assets"], ids=lambda asset: asset["name"])
def test_every_asset_names_version_and_licence(asset: dict[str, Any]) -> None:
    assert asset["version"]
    assert asset["licence"] in {"0BSD", "ISC", "OFL-1.1"}
    assert asset["licence_file"] in asset["files"]
    assert len((ROOT / asset["licence_file"]).read_text("utf-8")) > 500


@pytest.mark.parametrize("asset", LOCK["assets"], ids=lambda asset: asset["name"])
def test_a_file_of_a_version_lies_under_that_version(asset: dict[str, Any]) -> None:
    for name in asset["files"]:
        if name.startswith("vendor/"):
            assert Path(name).parts[1:3] == (asset["name"], asset["version"])
