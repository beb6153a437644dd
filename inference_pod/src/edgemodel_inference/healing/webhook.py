"""The action Webhook: a program of the user's is told of a fault, and may do about it what it can.

Signed as https://www.standardwebhooks.com has it: `webhook-signature` is HMAC-SHA256 of id, timestamp and body with the
key in the mounted Secret. Nothing but the URL that the user wrote is asked: no proxy, no redirect, and no link-local
address, where clouds keep their credentials.
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import json
import queue
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from edgemodel.wish import Webhook
from edgemodel_inference import logs
from edgemodel_inference.errors import NotDelivered
from edgemodel_registry.trust import trusting

FIRST_PAUSE = 1.0
"""Seconds before the first retry; each further one waits twice as long."""
PREFIX = b"whsec_"
"""A key that begins so is base64, as tools for such webhooks write it; any other is taken as it is."""
TRANSIENT = frozenset({408, 425, 429, *range(500, 600)})

log = logs.Log("edgemodel.webhook")


class Webhooks:
    """Sends on threads of their own, so that the detector goes on; `failed` says what was not delivered."""

    def __init__(self, ca: Path | None, pause: float = FIRST_PAUSE) -> None:
        """`ca`: certificates to trust besides the public ones. `pause`: seconds before the first retry."""
        self._ca = ca
        self._pause = pause
        self._failed: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()

    def send(self, hook: Webhook, fault: str, body: Mapping[str, object]) -> None:
        """Deliver `body`, which is about `fault`, in the background."""
        threading.Thread(target=self._deliver, args=(hook, fault, body), name="webhook", daemon=True).start()

    def failed(self) -> dict[str, str]:
        """What was not delivered since this was asked last: why, by fault."""
        found: dict[str, str] = {}
        while not self._failed.empty():
            fault, why = self._failed.get()
            found[fault] = why
        return found

    def _deliver(self, hook: Webhook, fault: str, body: Mapping[str, object]) -> None:
        try:
            self._try_often(hook, body)
        except NotDelivered as error:
            log.warning("not delivered", url=hook.url, fault=fault, error=str(error))
            self._failed.put((fault, str(error)))
        else:
            log.info("delivered", url=hook.url, fault=fault)

    def _try_often(self, hook: Webhook, body: Mapping[str, object]) -> None:
        try:
            key = read_key(Path(hook.key_file))
            context = trusting(self._ca)
        except (OSError, ValueError) as error:
            raise NotDelivered(f"KeyUnreadable: {error}") from error
        data = json.dumps(body, sort_keys=True).encode()
        name = f"msg_{secrets.token_hex(12)}"
        for attempt in range(hook.retries + 1):
            try:
                return post(hook, data, sign(key, name, round(time.time()), data), context)
            except NotDelivered as error:
                if not error.transient or attempt == hook.retries:
                    raise
            time.sleep(self._pause * 2.0**attempt)
        return None


def read_key(path: Path) -> bytes:
    """The key in `path`.

    Raises:
        OSError: it is not there.
        ValueError: it is empty, or no base64 although it begins with ``whsec_``.
    """
    text = path.read_bytes().strip()
    key = base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else text
    if not key:
        raise ValueError(f"{path}: want a key, got nothing")
    return key


def sign(key: bytes, name: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that tell the receiver who sent `body`, and when."""
    signed = hmac.new(key, f"{name}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": name,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def post(hook: Webhook, body: bytes, headers: Mapping[str, str], context: ssl.SSLContext) -> None:
    """One try, within the hook's timeout.

    Raises:
        NotDelivered: it was not answered with a status of 200 to 299.
    """
    parts = urlsplit(hook.url)
    connection: http.client.HTTPConnection
    try:
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(parts.netloc, timeout=hook.timeout, context=context)
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=hook.timeout)
        connection.connect()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotDelivered(f"Unreachable: {error}", transient=True) from error
    _refuse_link_local(connection)
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    status = _ask(connection, path, body, {**headers, "content-type": "application/json"}, hook.timeout)
    if not 200 <= status < 300:  # noqa: PLR2004 (HTTP's own)
        raise NotDelivered(f"answered with {status}", transient=status in TRANSIENT)


def _ask(
    connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str], limit: float
) -> int:
    # The socket's own timeout is for each read: one byte at a time would take for ever.
    sock: socket.socket = connection.sock
    deadline = threading.Timer(limit, lambda: _hang_up(sock))
    deadline.daemon = True
    deadline.start()
    try:
        connection.request("POST", path, body, dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise NotDelivered(f"no answer: {type(error).__name__}: {error}", transient=True) from error
    finally:
        deadline.cancel()
        connection.close()


def _hang_up(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed already
        sock.shutdown(socket.SHUT_RDWR)


def _refuse_link_local(connection: http.client.HTTPConnection) -> None:
    peer = ipaddress.ip_address(connection.sock.getpeername()[0].partition("%")[0])
    mapped = peer.ipv4_mapped if isinstance(peer, ipaddress.IPv6Address) else None
    if (mapped or peer).is_link_local:
        connection.close()
        raise NotDelivered(f"{peer}: a link-local address is not asked")
