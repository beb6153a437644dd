"""The sockets that the supervisor opens, and every worker inherits."""

import os
import socket

from edgemodel_inference.errors import SettingsError

_LAST_STANDARD = 2
BACKLOG = 2048
"""Connections that wait to be accepted, also while no worker is there for a moment."""


def keep_standard_numbers() -> None:
    """Take the descriptors 0 to 2 where they were closed: a socket there would be lost on the way to a worker."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD:
        os.set_inheritable(number, True)
    os.close(number)


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
