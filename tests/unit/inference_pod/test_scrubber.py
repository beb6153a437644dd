"""ClearCache: the disk holds what serves and what stands by, whole, and nothing else."""

from pathlib import Path

import pytest

from edgemodel.bundle import MODEL
from tests.unit.inference_pod.test_agent import Edge
from tests.unit.inference_pod.tiny_bundles import bundle, wish


@pytest.fixture
def edge(tmp_path: Path) -> Edge:
    """v3 serves, v2 stands by, v1 served before them."""
    v1, v2, v3 = (bundle(tmp_path, f"v{i}", scale=float(4 + i)) for i in (1, 2, 3))
    edge = Edge(tmp_path)
    edge.follow(wish(v1, v2, revision=1))
    edge.follow(wish(v2, v3, revision=2))
    edge.follow(wish(v3, v2, revision=3))
    return edge


def cached(edge: Edge) -> int:
    return sum(path.is_dir() for path in edge.node._store._folder.iterdir())


def clear(edge: Edge) -> None:
    """What the healer asks for and the agent's next pass does."""
    edge.node._healer._clear_cache()
    edge.agent.step(1e9)


def test_what_neither_serves_nor_stands_by_goes(edge: Edge) -> None:
    assert cached(edge) == 3
    clear(edge)
    assert (cached(edge), edge.serves, edge.falls_back_to) == (2, "v3", "v2")


def test_what_is_damaged_on_the_disk_is_fetched_again(edge: Edge) -> None:
    active = edge.node.engine.active
    assert active is not None
    model = edge.node._store.folder(active.digest) / MODEL
    model.write_bytes(b"\\0" * model.stat().st_size)
    clear(edge)
    assert (edge.node._store.has(active.digest), edge.serves) == (True, "v3")
    edge.restart()
    assert edge.serves == "v3"


def test_what_cannot_be_fetched_now_goes_on_serving(edge: Edge) -> None:
    serving, standing_by = edge.node.engine.active, edge.node.engine.backup
    assert serving is not None
    assert standing_by is not None
    away = serving.artifact.model_copy(update={"uri": "oci://127.0.0.1:1/tiny"})
    edge.follow(wish(away, standing_by.artifact, revision=4))
    (edge.node._store.folder(away.digest) / MODEL).unlink()
    clear(edge)
    assert (edge.serves, edge.node._store.has(away.digest)) == ("v3", False)


def test_nothing_is_done_where_nobody_asked(edge: Edge) -> None:
    edge.agent.step(1e9)
    assert cached(edge) == 3
