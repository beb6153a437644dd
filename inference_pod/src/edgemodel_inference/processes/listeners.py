"""The sockets that the supervisor opens, and every worker inherits."""

import os
import resource
import socket

from edgemodel_inference.errors import SettingsError

_LAST_STANDARD = 2
FILES = 65_536
"""Descriptors wanted."""
BACKLOG = 2048
"""Connections that wait to be accepted, also while no worker is there for a moment."""


def keep_standard_numbers() -> None:
    """Take the descriptors 0 to 2 where they were closed: a socket there would be lost on the way to a worker."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD:
        os.set_inheritable(number, True)
    os.close(number)


def allow_many() -> None:
    """As many descriptors as this user may have: the usual 1024 are fewer than callers who keep connections idle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def bind(port: int, option: str) -> socket.socket:
    """A socket that listens on `port`, given by `option`, of every address, IPv6 too where there is any.

    Raises:
        SettingsError: the port cannot be had.
    """
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("::", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
        return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)  # noqa: S104 (a server for other machines)
    except OSError as error:
        raise SettingsError(f"port {port} ({option}): {os.strerror(error.errno or 0)}") from error
