"""Whom a client believes to be the server that it asked for; one meaning for every CA file of the project."""

import ssl
from pathlib import Path


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """A client's side of TLS: the system's authorities, and besides them those in the PEM file `ca_file`.

    Besides and not instead, because a private registry is asked together with a teacher's public one.

    Raises:
        OSError: the file cannot be read, or holds no certificate.
    """
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
