"""Certificates by the openssl command: one authority, everything else signed by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from lab import shell

DAYS = "3650"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder, made at first use."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """What clients trust."""
        return self.folder / "ca.crt"

    def ensure(self) -> None:
        """Make the authority and the key that signs service account tokens, where they are not there yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.certificate.exists():
            shell.run(
                ["openssl", "req", "-x509", *NEW_KEY, "-days", DAYS, "-subj", "/CN=edgemodel-lab-ca",
                 "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
                 "-keyout", self.folder / "ca.key", "-out", self.certificate],
            )  # fmt: skip
        accounts = self.service_accounts
        if not accounts.certificate.exists():
            shell.run(["openssl", "genrsa", "-out", accounts.key, "2048"])
            shell.run(["openssl", "rsa", "-in", accounts.key, "-pubout", "-out", accounts.certificate])

    @property
    def service_accounts(self) -> Pair:
        """The key pair for service account tokens; its "certificate" is a bare public key."""
        return Pair(self.folder / "service-accounts.pub", self.folder / "service-accounts.key")

    def issue(
        self, name: str, *, user: str | None = None, groups: Sequence[str] = (), hosts: Sequence[str] = ()
    ) -> Pair:
        """A certificate for the client `user` (default: `name`) in `groups`, and for servers at `hosts`."""
        pair = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        if pair.certificate.exists():
            return pair
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user or name}"
        command: list[str | Path] = ["openssl", "req", "-x509", *NEW_KEY, "-days", DAYS, "-subj", subject]
        command += ["-CA", self.certificate, "-CAkey", self.folder / "ca.key"]
        command += ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature"]
        command += ["-addext", "extendedKeyUsage=clientAuth,serverAuth"]
        if hosts:
            command += ["-addext", f"subjectAltName={','.join(_subject_name(host) for host in hosts)}"]
        shell.run([*command, "-keyout", pair.key, "-out", pair.certificate])
        return pair


def _subject_name(host: str) -> str:
    try:
        ip_address(host)
    except ValueError:
        return f"DNS:{host}"
    return f"IP:{host}"
