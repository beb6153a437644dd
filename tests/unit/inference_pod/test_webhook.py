"""Webhooks: signed as the standard says, bounded in time and tries, and sent to nobody but whom the user named."""

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from edgemodel.wish import LocalAction, Webhook
from edgemodel_inference.errors import NotDelivered
from edgemodel_inference.healing.webhook import Webhooks, post, read_key, sign
from lab.pki import Authority

KEY = b"plant-a's secret"
BODY = {"fault": "high-latency", "node": "edge-1"}


class Receiver(BaseHTTPRequestHandler):
    """Remembers what it got; answers with the statuses it was told to, the last one for ever."""

    seen: ClassVar[list[tuple[str, dict[str, str], bytes]]]
    statuses: ClassVar[list[int]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append((self.path, dict(self.headers), body))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        self.send_response(status)
        self.send_header("location", f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[type[Receiver]]:
    kind = type("Fresh", (Receiver,), {"seen": [], "statuses": [200]})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    kind.port = server.server_address[1]  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kind
    server.shutdown()
    server.server_close()


@pytest.fixture
def hook(receiver: type[Receiver], tmp_path: Path) -> Webhook:
    (tmp_path / "key").write_bytes(KEY + b"\n")
    return Webhook(url=f"http://127.0.0.1:{receiver.port}/heal?box=7", key_file=str(tmp_path / "key"), retries=2)  # type: ignore[attr-defined]


def deliver(hook: Webhook, ca: Path | None = None) -> str | None:
    """Send, wait for the end, and return why it failed."""
    webhooks = Webhooks(ca, pause=0.01)
    before = set(threading.enumerate())
    webhooks.send(hook, "high-latency", BODY)
    for thread in set(threading.enumerate()) - before:
        if thread.name == "webhook":
            thread.join(20)
    return webhooks.failed().get("high-latency")


def test_the_receiver_can_tell_who_sent_it(receiver: type[Receiver], hook: Webhook) -> None:
    assert deliver(hook) is None
    (path, headers, body) = receiver.seen[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert (path, json.loads(body)) == ("/heal?box=7", BODY)
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


def test_the_standards_own_example_has_its_signature(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    headers = sign(read_key(tmp_path / "key"), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_may_pass_is_tried_again_with_the_same_id(receiver: type[Receiver], hook: Webhook, status: int) -> None:
    receiver.statuses = [status, status, 200]
    assert deliver(hook) is None
    assert len({headers["webhook-id"] for _, headers, _ in receiver.seen}) == 1
    assert len(receiver.seen) == 3


def test_tries_are_bounded(receiver: type[Receiver], hook: Webhook) -> None:
    receiver.statuses = [503]
    assert deliver(hook) == "answered with 503"
    assert len(receiver.seen) == 3


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404])
def test_redirects_and_refusals_are_final(receiver: type[Receiver], hook: Webhook, status: int) -> None:
    receiver.statuses = [status]
    assert deliver(hook) == f"answered with {status}"
    assert [path for path, _, _ in receiver.seen] == ["/heal?box=7"]


def test_without_a_key_nothing_is_sent(receiver: type[Receiver], hook: Webhook) -> None:
    failed = deliver(hook.model_copy(update={"key_file": "/nowhere"}))
    assert (failed or "").startswith("KeyUnreadable: ")
    assert receiver.seen == []


def test_an_empty_key_signs_nothing(receiver: type[Receiver], hook: Webhook) -> None:
    Path(hook.key_file).write_text("\n")
    assert "want a key, got nothing" in (deliver(hook) or "")
    assert receiver.seen == []


def _drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 ")
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b"2")
            threading.Event().wait(0.02)


def _say_nothing(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(1000):
            pass


@pytest.mark.parametrize("answer", [_drip, _say_nothing])
def test_a_receiver_that_never_ends_is_hung_up_on(hook: Webhook, answer: Callable[[socket.socket], None]) -> None:
    def serve_one() -> None:
        with listener.accept()[0] as connection:
            answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_one)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        began = time.monotonic()
        with pytest.raises(NotDelivered, match="no answer"):
            post(hook.model_copy(update={"url": url, "timeout": 0.3}), b"{}", {}, ssl.create_default_context())
        assert time.monotonic() - began < 5
        thread.join()


def test_a_receiver_is_trusted_by_the_bundle_that_the_user_gave(
    receiver: type[Receiver], hook: Webhook, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "pki")
    authority.ensure()
    pair = authority.issue("receiver", hosts=["127.0.0.1"])
    server = ThreadingHTTPServer(("127.0.0.1", 0), receiver)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        secure = hook.model_copy(update={"url": f"https://127.0.0.1:{server.server_address[1]}/", "retries": 0})
        assert "certificate" in (deliver(secure) or "")
        assert deliver(secure, authority.certificate) is None
    finally:
        server.shutdown()
        server.server_close()


def test_nobody_there_is_worth_another_try(hook: Webhook) -> None:
    with pytest.raises(NotDelivered, match="Unreachable") as caught:
        post(hook.model_copy(update={"url": "http://127.0.0.1:1/"}), b"{}", {}, ssl.create_default_context())
    assert caught.value.transient


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/",
        "file:///etc/passwd",
        "http://user:password@host/",
        "https://host/#fragment",
        "https://host/two words",
        "https:///path",
        "http://host/\n",
    ],
)
def test_only_plain_addresses_are_taken(url: str) -> None:
    with pytest.raises(ValidationError):
        Webhook(url=url, key_file="/key")


def test_an_action_has_a_webhook_exactly_where_it_is_one() -> None:
    with pytest.raises(ValidationError, match="want webhook with url and keyFile with type Webhook"):
        LocalAction.model_validate({"type": "Webhook"})
