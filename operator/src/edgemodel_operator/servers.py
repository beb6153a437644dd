"""The operator's small HTTP servers: on every address that there is, IPv6 too."""

import socket
from contextlib import AsyncExitStack

from aiohttp import web

GRACE = 1.0
"""Seconds for deliveries and scrapes that are being answered when the operator is told to stop."""


async def listen(stack: AsyncExitStack, app: web.Application, port: int) -> None:
    """Serve `app` on `port` until `stack` is closed.

    Raises:
        OSError: the port cannot be had.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GRACE)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, bind(port)).start()


def bind(port: int) -> socket.socket:
    """A socket that listens on `port` of every address; kopf's own server, and aiohttp's by a host, know one family."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("0.0.0.0", port))  # noqa: S104 (a pod's servers listen on its address)
