"""The operator asks no address of a user's: only a user's own pods and Jobs do, whatever is to be healed."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from edgemodel import series
from edgemodel.ladder import ActionType
from tests.apiserver.operator_process import FakePod, Operator, wait_for
from tests.apiserver.space import V1, Body, Space, at_rest, edgemodel

pytestmark = pytest.mark.apiserver


@dataclass
class Ear:
    """Hears whoever connects to it, and says nothing."""

    address: tuple[str, int] = ("", 0)
    heard: list[str] = field(default_factory=list)

    def url(self, scheme: str, path: str) -> str:
        host, port = self.address
        return f"{scheme}://{host}:{port}/{path}"


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            ear.heard.append(str(self.client_address))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        ear.address = ("127.0.0.1", server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield ear
        server.shutdown()
        thread.join()


def pointing_at(ear: Ear) -> Body:
    """An EdgeModel that names the ear wherever a user may name an address."""
    model = edgemodel(
        versions=[V1 | {"uri": ear.url("https", "v1")}],
        serving={
            "samples": {"sink": ear.url("oci", "samples")},
            "otlp": {"metrics": ear.url("http", "v1/metrics"), "traces": ear.url("http", "v1/traces")},
        },
        distillation={
            "teacher": {"uri": ear.url("https", "teacher"), "digest": V1["digest"]},
            "dataset": {"uri": ear.url("https", "dataset"), "digest": V1["digest"]},
            "push": ear.url("oci", "digits"),
        },
        cloud={"url": ear.url("https", "v2/models/digits")},
    )
    webhook = {"url": ear.url("https", "reboot"), "secret": {"name": "hook"}, "timeout": "1s"}
    actions = [{"type": "Webhook", "webhook": webhook}, {"type": "Redistill", "samples": 1}, {"type": "Alert"}]
    model["spec"]["healing"]["strategies"] = [{"faults": ["low-confidence"], "actions": actions}]
    return model


def complain(pods: list[FakePod], namespace: str) -> None:
    """The pods report the fault, and that they have done what they may about it."""
    for pod in pods:
        serving = f'version="v1",digest="{V1["digest"]}",reason="Wish"'
        figures: dict[tuple[str, str], float] = {
            (series.SERVING_INFO, serving): 1,
            (series.ANSWERED_SINCE_SWITCH, 'version="v1"'): 1000,
            (series.FAULT_ACTIVE, 'fault="low-confidence"'): 1,
            (series.LADDER_HELD, 'fault="low-confidence",reason="LadderExhausted"'): 1,
            (series.SAMPLES_PUSHED, ""): 10,
        }
        pod.say("digits", namespace, figures)


def test_the_operator_leaves_every_address_of_a_user_to_the_users_pods_and_jobs(
    space: Space, operator: Operator, pods: list[FakePod], ear: Ear
) -> None:
    space.apply(pointing_at(ear))
    wait_for("v1 is good", lambda: space.status()["lastGood"] == "v1", say=lambda: operator.log[-3000:])
    complain(pods, space.name)
    wait_for("a Job", lambda: space.get("job")["items"], say=lambda: operator.log[-3000:])
    at_rest(space)
    (strategy,) = space.wish().healing.strategies
    assert strategy.actions[0].type is ActionType.WEBHOOK
    assert strategy.actions[0].webhook is not None, "pods are told whom to ask"
    assert ear.heard == []
    socket.create_connection(ear.address).close()
    wait_for("the ear hears", lambda: ear.heard)
