"""Key, identity, token file, configuration: what lies on the device's disk."""

import base64
import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msp_agent.config import AgentConfig, ConfigError, load_config
from msp_agent.files import forget, held, private_dir, write_atomic
from msp_agent.identity import (
    Identity,
    IdentityUnreadable,
    load_identity,
    load_or_make_key,
    public_key_text,
    save_identity,
)

IDENTITY = Identity(
    server="https://msp.example", device="d", key_id="k", status="active", enrolled_at=1
)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_makes_a_key_once_that_only_its_owner_can_read(tmp_path):
    state = tmp_path / "state"
    key = load_or_make_key(state)
    assert (mode(state), mode(state / "device.key")) == (0o700, 0o600)
    assert public_key_text(load_or_make_key(state)) == public_key_text(key)
    assert len(base64.b64decode(public_key_text(key))) == 32


def test_closes_a_state_directory_that_was_open(tmp_path):
    tmp_path.chmod(0o755)
    private_dir(tmp_path)
    assert mode(tmp_path) == 0o700


def test_keeps_the_identity_private(tmp_path):
    assert load_identity(tmp_path) is None
    save_identity(tmp_path, IDENTITY)
    assert load_identity(tmp_path) == IDENTITY
    assert mode(tmp_path / "identity.json") == 0o600


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"server": 1}'])
def test_refuses_an_identity_it_cannot_read_rather_than_enrolling_anew(tmp_path, text):
    (tmp_path / "identity.json").write_text(text)
    with pytest.raises(IdentityUnreadable):
        load_identity(tmp_path)


def test_refuses_a_key_of_another_kind(tmp_path):
    other = generate_private_key(SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "device.key").write_bytes(pem)
    with pytest.raises(IdentityUnreadable, match="Ed25519"):
        load_or_make_key(tmp_path)


def test_gives_a_file_the_mode_asked_for_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        write_atomic(tmp_path / "public", b"x", mode=0o644)
    finally:
        os.umask(before)
    assert mode(tmp_path / "public") == 0o644


def test_leaves_the_old_file_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "f"
    write_atomic(path, b"old")

    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr("msp_agent.files.os.replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


def test_blanks_a_secret_before_deleting_it(tmp_path):
    path, link = tmp_path / "token", tmp_path / "link"
    path.write_text("secret")
    link.hardlink_to(path)  # what an undeleted copy of the same blocks would show
    assert forget(path)
    assert not path.exists()
    assert link.read_bytes() == b""
    assert forget(path)


def test_lets_only_one_holder_in(tmp_path):
    with held(tmp_path / "lock"), pytest.raises(BlockingIOError), held(tmp_path / "lock"):
        pass
    with held(tmp_path / "lock"):
        pass


def config(tmp_path, text, environ=None, **overrides):
    path = tmp_path / "agent.toml"
    path.write_text(text)
    return load_config(path, environ=environ or {}, overrides=overrides)


def test_reads_the_configuration_file(tmp_path):
    found = config(
        tmp_path,
        """
        server = "https://msp.example"
        ca_file = "/etc/ca.pem"
        interval_seconds = 30
        role = "server"
        [volumes]
        include = ["/run", "/mnt/nas"]
        [spool]
        max_megabytes = 16
        backlog_batches_per_second = 0.5
        """,
    )
    assert found.server == "https://msp.example"
    assert str(found.ca_file) == "/etc/ca.pem"
    assert found.volumes_include == ("/run", "/mnt/nas")
    assert (found.spool_megabytes, found.backlog_per_second) == (16, 0.5)


def test_lets_the_environment_win_over_the_file_and_the_command_line_over_both(tmp_path):
    text, environ = "interval_seconds = 30", {"MSP_AGENT_INTERVAL_SECONDS": "0.2"}
    assert config(tmp_path, text).interval_seconds == 30
    assert config(tmp_path, text, environ).interval_seconds == 0.2
    assert config(tmp_path, text, environ, interval_seconds=9.0).interval_seconds == 9
    assert config(tmp_path, text, interval_seconds=None).interval_seconds == 30


@pytest.mark.parametrize(
    "text",
    ["sever = 'x'", "server = 1", "[volumes]\ninclude = '/'", "[volumes]\ninclude = [1]",
     "[other]\nx = 1", "role = 'router'", "interval_seconds = 0.1", "interval_seconds = true",
     "not toml", "[spool]\nmax_megabytes = 0", "[spool]\nbacklog_batches_per_second = 0"],
)  # fmt: skip
def test_refuses_a_configuration_that_says_something_else(tmp_path, text):
    with pytest.raises(ConfigError):
        config(tmp_path, text)


def test_refuses_an_interval_that_is_no_number(tmp_path):
    with pytest.raises(ConfigError, match="MSP_AGENT_INTERVAL_SECONDS"):
        config(tmp_path, "", {"MSP_AGENT_INTERVAL_SECONDS": "often"})


def test_needs_no_configuration_file_unless_one_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("msp_agent.config.DEFAULT_CONFIG", tmp_path / "none.toml")
    assert load_config(None, environ={}) == AgentConfig()
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "none.toml", environ={})
