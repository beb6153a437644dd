"""A real OCI registry (Debian's docker-registry) on a free loopback port, and a proxy that breaks connections."""

import contextlib
import datetime as dt
import ipaddress
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "plant", "correct horse"
_HTPASSWD = f"{USER}:$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e\n"
"""bcrypt with the fewest rounds."""

BASIC_LOGIN = "auth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}"

_CONFIG = """\
version: 0.1
log: {{accesslog: {{disabled: true}}, level: info}}
storage: {{filesystem: {{rootdirectory: {root}/data}}}}
http:
  addr: 127.0.0.1:0
  secret: only-for-tests
{tls}
{auth}
"""


@dataclass(frozen=True)
class RealRegistry:
    """A running registry; `host` is ``127.0.0.1:<port>``."""

    host: str
    folder: Path

    def uri(self, repository: str = "digits") -> str:
        return f"oci://{self.host}/{repository}"


@contextmanager
def run_registry(folder: Path, *, tls: "Certificate | None" = None, auth: str = "") -> Iterator[RealRegistry]:
    """Start docker-registry with its data in `folder`; it ends with the block. `auth` is its section of that name."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.fail("docker-registry is not installed: apt-get install docker-registry")
    (folder / "htpasswd").write_text(_HTPASSWD)
    config = _CONFIG.format(
        root=folder,
        tls=f"  tls: {{certificate: {tls.certificate}, key: {tls.key}}}" if tls else "",
        auth=auth.format(folder=folder),
    )
    (folder / "config.yml").write_text(config)
    process = subprocess.Popen(
        [program, "serve", str(folder / "config.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    drain: threading.Thread | None = None
    try:
        port = _port(process)
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        yield RealRegistry(f"127.0.0.1:{port}", folder)
    finally:
        process.terminate()
        process.wait(10)
        if drain is not None:
            drain.join(10)
        process.stderr.close()


def _port(process: "subprocess.Popen[str]") -> int:
    lines = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    raise RuntimeError("docker-registry did not start:\n" + "".join(lines))


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for this machine; it is its own authority."""

    certificate: Path
    key: Path


def make_certificate(folder: Path, issuer: str = "localhost") -> Certificate:
    """A certificate for localhost and 127.0.0.1, valid for a day; no two that meet may have the same `issuer`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / "ca.pem", folder / "key.pem")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


class BreakingProxy:
    """Forwards TCP to `host` and cuts each connection after `limit` bytes of answers (None: never).

    With `budget` the whole proxy stops answering after that many bytes. `forwarded` and `received` count the bytes
    that went to clients and to the server.
    """

    def __init__(self, host: str, *, limit: int | None = None, budget: int | None = None) -> None:
        name, _, port = host.partition(":")
        self._target = (name, int(port))
        self._limit, self._budget = limit, budget
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.forwarded = self.received = 0
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._start(self._ask, client, server)
                self._start(self._answer, client, server)

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(16384):
                server.sendall(data)
                self.received += len(data)
        _hang_up(server)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        left = self._limit
        with client, server, contextlib.suppress(OSError):
            while data := server.recv(16384):
                piece = data[: min(len(data) if most is None else most for most in (left, self._rest()))]
                client.sendall(piece)
                self.forwarded += len(piece)
                left = None if left is None else left - len(piece)
                if len(piece) < len(data):
                    break
            _hang_up(client)

    def _rest(self) -> int | None:
        return None if self._budget is None else self._budget - self.forwarded


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
