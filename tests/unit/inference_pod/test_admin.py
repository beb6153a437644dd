"""The admin port: whatever callers do, the kubelet's question is answered."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from edgemodel_inference.processes import admin
from edgemodel_inference.processes.admin import CONNECTIONS, AdminServer
from tests.unit.inference_pod.live_pod import ask, wait_until


class Well:
    """A supervisor all of whose news are good."""

    def alive(self) -> bool:
        return True

    def ready(self) -> bool:
        return True

    def ask(self, what: str) -> str | None:
        return '{"of": "' + what + '"}'

    def overview(self) -> dict[str, object]:
        return {}


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(admin, "CONNECTION_SECONDS", 1.0)
    with AdminServer(socket.create_server(("127.0.0.1", 0)), Well()) as server:
        server.start()
        yield server.socket.getsockname()[1]
        server.shutdown()


@pytest.mark.parametrize("path", admin.PAGES)
def test_each_page_is_there_and_takes_a_query(port: int, path: str) -> None:
    assert [ask(port, "GET", path + query)[0] for query in ("", "?verbose")] == [200, 200]


def test_another_path_is_told_which_there_are(port: int) -> None:
    assert ask(port, "GET", "/") == (404, "/livez /readyz /metrics /status\n")


def test_a_caller_who_wants_the_head_alone_gets_it(port: int) -> None:
    assert ask(port, "HEAD", "/status") == (200, "")


def is_alive(port: int) -> bool:
    with contextlib.suppress(OSError):
        return ask(port, "GET", "/livez")[0] == 200
    return False


def test_callers_who_drip_their_requests_do_not_keep_others_out_for_long(port: int) -> None:
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        dripping = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(CONNECTIONS)
        ]
        wait_until(lambda: not is_alive(port), "no place left")

        def drip_and_ask() -> bool:
            for each in dripping:
                with contextlib.suppress(OSError):
                    each.send(b"G")
            return is_alive(port)

        threads = threading.active_count()
        wait_until(drip_and_ask, "an answer")
        assert threads <= before + CONNECTIONS, "one thread for each connection, and no more"
