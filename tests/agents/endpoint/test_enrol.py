"""Enrolment, and the connection it goes over."""

import datetime
import socket
import ssl
import subprocess
import sys
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msp_agent import enrol as enrol_module
from msp_agent.clock import Clock
from msp_agent.enrol import EnrolmentRefused, enrol
from msp_agent.identity import load_identity, load_or_make_key, public_key_text
from msp_agent.transport import NoAnswer, Transport

from .double import TOKEN, FakeTime


def join(server, state_dir, *, token=TOKEN, clock=None):
    transport = Transport(server.url)
    try:
        return enrol(
            transport,
            server=server.url,
            token=token,
            state_dir=state_dir,
            role="server",
            clock=clock or Clock(),
        )
    finally:
        transport.close()


def test_becomes_a_device_with_a_key_of_its_own(server, tmp_path):
    identity, config = join(server, tmp_path)
    assert load_identity(tmp_path) == identity
    assert config == {"interval_seconds": 60}
    (sent,) = server.enrolments
    assert sent["public_key"] == public_key_text(load_or_make_key(tmp_path))
    assert set(sent) == {
        "token", "nonce", "public_key", "name", "role", "hardware", "os", "agent_version",
    }  # fmt: skip
    assert set(sent["hardware"]) == {"serial", "board_uuid", "macs"}
    assert set(sent["os"]) == {"family", "name", "version"}
    assert sent["os"]["family"] == "linux"
    assert server.bad_signatures == []


def test_repeats_a_lost_enrolment_with_the_same_key(server, tmp_path, monkeypatch):
    def crash(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(enrol_module, "save_identity", crash)
        with pytest.raises(KeyboardInterrupt):
            join(server, tmp_path)
    join(server, tmp_path)
    first, second = server.enrolments
    assert first["public_key"] == second["public_key"]


def test_stores_no_identity_when_refused(server, tmp_path):
    with pytest.raises(EnrolmentRefused) as refused:
        join(server, tmp_path, token="wrong")
    assert (refused.value.code, refused.value.is_final) == ("token_unknown", True)
    assert load_identity(tmp_path) is None


def test_says_whether_asking_again_makes_sense(server, tmp_path):
    for status, code, is_final in [
        (403, "token_expired", True),
        (403, "token_used_up", True),
        (422, "bad_request", True),
        (503, "full", False),
    ]:
        server.token_answer = (status, {"code": code, "message": "m"})
        with pytest.raises(EnrolmentRefused) as refused:
            join(server, tmp_path)
        assert refused.value.is_final is is_final


def test_corrects_a_wrong_clock_while_enrolling(server, tmp_path):
    fake = FakeTime()
    fake.wall_error_ms = -86_400_000
    server.now_ms = fake.server_ms
    clock = Clock(wall=fake.wall, ticks=fake.ticks)
    identity, _ = join(server, tmp_path, clock=clock)
    assert clock.offset_ms == pytest.approx(86_400_000, abs=200)
    assert identity.enrolled_at == pytest.approx(fake.true_ms, abs=200)


def test_never_puts_the_token_into_a_log_line_or_an_error(server, tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("very-secret-token")
    done = subprocess.run(
        [sys.executable, "-m", "msp_agent", "enrol", "--server", server.url, "--verbose",
         "--token-file", str(token_file), "--state-dir", str(tmp_path / "state")],
        capture_output=True, text=True, check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "token_unknown" in done.stderr
    assert "very-secret-token" not in done.stderr + done.stdout
    assert token_file.read_text() == "very-secret-token"  # a person may mend and try again


# -- the connection


def certificate(tmp_path, *, name="localhost"):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(made.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file


@pytest.fixture
def tls_port(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(tmp_path))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(65536)
                    secure.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
                    )
            except OSError:
                plain.close()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def test_trusts_the_ca_file_it_is_given(tls_port, tmp_path):
    transport = Transport(f"https://localhost:{tls_port}", ca_file=tmp_path / "cert.pem")
    answer = transport.post("/", b"", dict)
    transport.close()
    assert answer.status == 200


def test_sends_nothing_to_a_server_whose_certificate_is_not_trusted(tls_port):
    transport = Transport(f"https://localhost:{tls_port}")
    with pytest.raises(NoAnswer, match="not trusted") as failure:
        transport.post("/", b"", dict)
    assert not failure.value.was_sent


def test_sends_nothing_to_a_server_with_another_name(tls_port, tmp_path):
    transport = Transport(f"https://127.0.0.1:{tls_port}", ca_file=tmp_path / "cert.pem")
    with pytest.raises(NoAnswer, match="not trusted"):
        transport.post("/", b"", dict)


@pytest.mark.parametrize("url", ["ftp://x", "x.example", "https://", "http://:80"])
def test_refuses_a_url_that_names_no_server(url):
    with pytest.raises(ValueError, match="server"):
        Transport(url)


def test_puts_the_prefix_of_the_server_before_its_paths():
    assert Transport("http://a/msp/").path("/api") == "/msp/api"
