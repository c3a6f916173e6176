"""The HTTP server as a program: address, TLS, the page's password, SIGTERM, wrong use."""

import datetime as dt
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.acceptance.gateway import Server, end
from tests.acceptance.program import run

CSV = "tank,timestamp,pressure\nT1,2026-03-02T06:30:00Z,1\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    run(tmp_path, "init")
    made = Server(tmp_path)
    yield made
    end(made)


def headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "content-type": "text/csv"}


def write_certificate(folder: Path) -> None:
    """Write cert.pem and key.pem of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tankwatch test")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, pem, plain))


def test_post_that_is_under_way_is_answered_before_the_end(server: Server) -> None:
    token = server.token("gateway", "--every-site")
    server.start()
    lines = [f"{name}: {value}\r\n" for name, value in headers(token).items()]
    head = f"POST /api/v1/readings HTTP/1.1\r\nHost: x\r\n{''.join(lines)}"
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(f"{head}Content-Length: {len(CSV)}\r\n\r\n{CSV[:5]}".encode())
        time.sleep(0.5)
        assert server.process is not None
        server.process.terminate()
        time.sleep(0.5)
        line.sendall(CSV[5:].encode())
        assert line.recv(1000).startswith(b"HTTP/1.1 200")
    assert server.process.wait(timeout=15) == 0
    told = (server.folder / "server.log").read_text()
    assert told == f"listening at {server.url}\n"


def test_readings_over_tls(server: Server) -> None:
    write_certificate(server.folder)
    files = {"CERTIFICATE": "cert.pem", "KEY": "key.pem"}
    server.variables |= {f"TANKWATCH_SERVE__TLS_{name}": file for name, file in files.items()}
    server.context = ssl.create_default_context(cafile=str(server.folder / "cert.pem"))
    token = server.token("gateway", "--every-site")
    server.start()
    with httpx.Client(base_url=server.url, verify=server.context) as client:
        answer = client.post("/api/v1/readings", content=CSV, headers=headers(token))
    assert answer.json()["verdicts"] == ["stored"]
    server.stop()


def test_page_with_a_password_from_a_file(server: Server) -> None:
    (server.folder / "page_password").write_text("a-long-page-password\n")
    server.variables["TANKWATCH_SERVE__PAGE_PASSWORD_FILE"] = "page_password"
    server.start()
    assert httpx.get(f"{server.url}/quality").status_code == 401
    shown = httpx.get(f"{server.url}/quality", auth=("kim", "a-long-page-password"))
    assert shown.status_code == 200
    assert "Data quality" in shown.text
    server.stop()


def test_page_without_a_password_is_for_this_machine(server: Server) -> None:
    server.start()
    assert httpx.get(f"{server.url}/").status_code == 200
    passed_on = {"x-forwarded-for": "203.0.113.9"}
    assert httpx.get(f"{server.url}/", headers=passed_on).status_code == 403
    server.stop()


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"TLS_CERTIFICATE": "cert.pem"}, "both files are needed for TLS"),
        ({"TLS_CERTIFICATE": "cert.pem", "TLS_KEY": "key.pem"}, "PEM files that belong together"),
        ({"HOST": "203.0.113.1"}, "is the address this machine's"),
        ({"WAITING_POSTS": "0"}, "greater than or equal to 1"),
    ],
)
def test_settings_that_cannot_work_are_wrong_use(
    server: Server, variables: dict[str, str], told: str
) -> None:
    given = {f"TANKWATCH_SERVE__{name}": value for name, value in variables.items()}
    assert told in run(server.folder, "serve", code=2, **given).stderr


def test_address_that_is_taken_is_wrong_use(server: Server) -> None:
    server.start()
    again = run(server.folder, "serve", "--port", str(server.port), code=2)
    assert "does another program listen there" in again.stderr
    server.stop()
