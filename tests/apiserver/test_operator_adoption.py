"""An operator that is installed again, and an EdgeModel that is restored: what is there is kept as it is."""

import json

import pytest
from kubernetes.aio.config import kube_config

from edgemodel_operator.cluster.client import Cluster
from edgemodel_operator.errors import Conflict, Invalid
from tests.apiserver.operator_process import Operator, wait_for
from tests.apiserver.space import CHILDREN, Space, at_rest, edgemodel

pytestmark = pytest.mark.apiserver


def proved(space: Space) -> bool:
    return bool(space.status()["lastGood"] == "v1")


@pytest.mark.usefixtures("pods")
def test_an_operator_that_is_installed_again_writes_nothing(space: Space, operator: Operator) -> None:
    space.apply(edgemodel())
    wait_for("v1 is good", lambda: proved(space), say=lambda: operator.log[-3000:])
    before = at_rest(space)
    operator.stop()
    operator.start()
    wait_for("ticks", lambda: operator.ticks > 2)
    assert at_rest(space) == before


@pytest.mark.usefixtures("pods")
@pytest.mark.parametrize("orphaned", [True, False], ids=["deleted with --cascade=orphan", "restored from a backup"])
def test_a_restored_edgemodel_takes_over_its_children(space: Space, operator: Operator, orphaned: bool) -> None:
    space.apply(edgemodel())
    wait_for("v1 is good", lambda: proved(space), say=lambda: operator.log[-3000:])
    at_rest(space)
    operator.stop()
    workload, revision = space.get("daemonset/digits"), space.wish().revision
    uid = space.get("em/digits")["metadata"]["uid"]
    space.run("delete", "em/digits")  # nobody collects garbage here: the children stay
    for child in CHILDREN if orphaned else ():  # and what the garbage collector does for an orphan
        space.run("patch", child, "--type=merge", f"--patch={json.dumps({'metadata': {'ownerReferences': None}})}")
    space.apply(edgemodel())
    operator.start()
    wait_for("v1 is good again", lambda: proved(space), say=lambda: operator.log[-3000:])
    at_rest(space)
    for child in CHILDREN:
        (owner,) = space.get(child)["metadata"]["ownerReferences"]
        assert owner["uid"] == space.get("em/digits")["metadata"]["uid"] != uid
    found = space.get("daemonset/digits")["metadata"]
    assert (found["uid"], found["generation"]) == (workload["metadata"]["uid"], workload["metadata"]["generation"])
    assert space.wish().revision == revision
    assert space.condition("Ready") == ("True", "Serving")


@pytest.mark.parametrize("name", ["taken", "free"])
async def test_what_is_written_to_a_known_child_reaches_no_other(
    space: Space, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    space.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "taken"}, "data": {"mine": "1"}})
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(space.kubectl.kubeconfig))
    metadata = {"name": name, "namespace": space.name, "uid": "11111111-2222-3333-4444-555555555555"}
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mine": "2"}}
    async with Cluster() as cluster:
        with pytest.raises((Conflict, Invalid)):
            await cluster.apply(wanted)
    assert space.get("configmap/taken")["data"] == {"mine": "1"}
    assert space.look("configmap/free") is None
