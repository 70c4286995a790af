"""The unit file and the example configuration are right, and the agent stands on its own."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from msp_agent.config import load_config

AGENT = Path(__file__).parents[3] / "agents/endpoint"
ALLOWED = {"msp_agent", "psutil", "cryptography"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_has_a_unit_that_systemd_understands(tmp_path):
    program = tmp_path / "msp-agent"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "msp-agent.service"
    text = (AGENT / "packaging/msp-agent.service").read_text()
    unit.write_text(text.replace("/usr/bin/msp-agent", str(program)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "msp-agent" in line]
    assert (done.returncode, complaints) == (0, [])


def test_has_an_example_configuration_that_can_be_read():
    path = AGENT / "packaging/agent.toml"
    assert load_config(path, environ={}).server == "https://msp.example"


def test_has_an_example_that_names_only_settings_there_are(tmp_path):
    lines = (AGENT / "packaging/agent.toml").read_text().splitlines()
    bare = [line.removeprefix("# ") if " = " in line else line for line in lines]
    path = tmp_path / "agent.toml"
    path.write_text("\n".join(bare))
    config = load_config(path, environ={})
    assert (config.role, config.spool_megabytes) == ("server", 64)


def test_imports_nothing_but_the_standard_library_psutil_and_cryptography():
    foreign = set()
    for path in (AGENT / "msp_agent").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            foreign |= {name.split(".")[0] for name in names}
    assert foreign - set(sys.stdlib_module_names) <= ALLOWED
