"""With trusted keys in the wish a node takes nothing into service that none of them signed."""

import shutil
import time
from pathlib import Path

import pytest

from edgemodel.bundle import MANIFEST, MODEL, digest_of
from edgemodel.signature import SIGNATURES
from edgemodel.wish import Artifact, Wish
from edgemodel_inference.agent import FORGIVE_AFTER
from edgemodel_registry import Client
from edgemodel_registry.signing import SigningKey, create_key, sign_folder
from tests.unit.inference_pod.edge_node import Edge
from tests.unit.inference_pod.live_pod import Pod, wait_until
from tests.unit.inference_pod.tiny_bundles import bundle, wish
from tests.unit.registry.real_registry import run_registry


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[SigningKey, SigningKey]:
    """The plant's key, and a stranger's."""
    folder = tmp_path_factory.mktemp("keys")
    return create_key(folder / "plant.key"), create_key(folder / "stranger.key")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unsigned versions, and a disk on which they lie and have passed the jail."""
    folder = tmp_path_factory.mktemp("made")
    edge = Edge(folder / "disk")
    for revision, name in enumerate(("v1", "v2", "v3"), 1):
        edge.follow(wish(bundle(folder, name, 3.0 + revision), revision=revision))
        assert edge.serves == name
    return folder


class Plant:
    """An edge node, and the volume from which it gets its versions."""

    def __init__(self, made: Path, folder: Path, keys: tuple[SigningKey, SigningKey]) -> None:
        self.folder = folder
        self.key, self.stranger = keys
        shutil.copytree(made / "disk" / "state" / "models", folder / "edge" / "state" / "models")
        for name in ("v1", "v2", "v3"):
            shutil.copytree(made / name, folder / name)
        self.edge = Edge(folder / "edge")
        self._revision = 0

    def version(self, name: str) -> Artifact:
        folder = self.folder / name
        return Artifact(name=name, uri=folder.as_uri(), digest=digest_of((folder / MANIFEST).read_bytes()))

    def sign(self, name: str, key: SigningKey | None = None) -> None:
        sign_folder(self.folder / name, key or self.key)

    def wished(self, name: str, backup: str | None = None, keys: tuple[SigningKey, ...] | None = None) -> Wish:
        self._revision += 1
        trusted = tuple(key.public for key in ((self.key,) if keys is None else keys))
        standing_by = self.version(backup) if backup is not None else None
        return wish(self.version(name), standing_by, revision=self._revision, trusted_keys=trusted or None)

    def wish(self, name: str, backup: str | None = None, keys: tuple[SigningKey, ...] | None = None) -> None:
        self.edge.follow(self.wished(name, backup, keys))

    def later(self) -> None:
        """When passing refusals are looked at again."""
        self.edge.agent.step(time.monotonic() + FORGIVE_AFTER + 1)


@pytest.fixture
def plant(made: Path, tmp_path: Path, keys: tuple[SigningKey, SigningKey]) -> Plant:
    return Plant(made, tmp_path, keys)


@pytest.fixture
def serving(plant: Plant) -> Plant:
    """A node that serves v1, which the plant's key signed."""
    plant.sign("v1")
    plant.wish("v1")
    assert plant.edge.serves == "v1"
    return plant


def test_a_signed_version_serves_with_a_signed_backup(serving: Plant) -> None:
    serving.sign("v2")
    serving.wish("v2", "v1")
    assert (serving.edge.serves, serving.edge.falls_back_to, serving.edge.refused) == ("v2", "v1", {})


def test_an_unsigned_version_does_not_serve_though_it_lies_on_the_disk(serving: Plant) -> None:
    serving.wish("v2", "v1")
    assert (serving.edge.serves, serving.edge.refused) == ("v1", {"v2": "SignatureMissing"})


def test_a_strangers_signature_is_refused_by_its_code(serving: Plant) -> None:
    serving.sign("v2", serving.stranger)
    serving.wish("v2", "v1")
    assert (serving.edge.serves, serving.edge.refused) == ("v1", {"v2": "SignatureInvalid"})


def test_the_operator_hears_the_code_of_what_is_waited_for(serving: Plant) -> None:
    serving.wish("v2", "v1")
    assert serving.edge.pending == ("v2", "SignatureMissing")


def test_of_an_unsigned_version_nothing_is_fetched(serving: Plant) -> None:
    models = serving.folder / "edge" / "state" / "models"
    folder = models / serving.version("v2").digest.removeprefix("sha256:")
    shutil.rmtree(folder)
    serving.wish("v2", "v1")
    assert not (folder / MODEL).exists()


def test_what_is_signed_later_serves_by_itself(serving: Plant) -> None:
    serving.wish("v2", "v1")
    serving.sign("v2")
    serving.later()
    assert (serving.edge.serves, serving.edge.refused) == ("v2", {})


def test_what_served_when_keys_came_goes_on_and_says_so(plant: Plant) -> None:
    plant.wish("v1", keys=())
    plant.wish("v1")
    assert (plant.edge.serves, plant.edge.refused, plant.edge.pending) == ("v1", {}, ("v1", "SignatureMissing"))
    assert "nobody signed it" in str(plant.edge.node.status()["trust"])


def test_what_served_when_keys_came_goes_on_after_a_restart(plant: Plant) -> None:
    plant.wish("v1", keys=())
    plant.wish("v1")
    plant.edge.restart()
    assert plant.edge.serves == "v1"


def test_what_served_when_keys_came_may_be_signed_without_a_gap(plant: Plant) -> None:
    plant.wish("v1", keys=())
    plant.wish("v1")
    plant.sign("v1")
    plant.later()
    assert (plant.edge.serves, plant.edge.pending) == ("v1", None)


def test_what_served_goes_on_under_another_name(plant: Plant) -> None:
    plant.wish("v1", keys=())
    renamed = plant.wished("v1")
    assert renamed.default is not None
    active = renamed.default.active.model_copy(update={"name": "first"})
    plant.edge.follow(renamed.model_copy(update={"default": renamed.default.model_copy(update={"active": active})}))
    assert plant.edge.serves == "first"


def test_an_unsigned_backup_goes_when_keys_come(plant: Plant) -> None:
    plant.wish("v2", "v1", keys=())
    plant.sign("v2")
    plant.wish("v2", "v1")
    assert (plant.edge.serves, plant.edge.falls_back_to) == ("v2", None)


def test_once_left_an_unsigned_version_does_not_come_back(plant: Plant) -> None:
    plant.wish("v1", keys=())
    plant.sign("v2")
    plant.wish("v2")
    plant.wish("v1", "v2")
    assert (plant.edge.serves, plant.edge.refused) == ("v2", {"v1": "SignatureMissing"})


def test_a_restart_offline_serves_by_the_signatures_on_the_disk(serving: Plant) -> None:
    serving.sign("v2")
    serving.wish("v2", "v1")
    for name in ("v1", "v2"):
        shutil.rmtree(serving.folder / name)
    serving.edge.restart()
    assert (serving.edge.serves, serving.edge.falls_back_to) == ("v2", "v1")


def test_a_restart_gives_no_unsigned_wish_a_chance(serving: Plant) -> None:
    serving.wish("v2", "v1")
    serving.edge.restart()
    assert serving.edge.serves == "v1"


def test_a_signature_on_the_disk_is_read_again_when_the_keys_change(serving: Plant) -> None:
    serving.wish("v1", keys=(serving.stranger,))
    assert (serving.edge.serves, serving.edge.pending) == ("v1", ("v1", "SignatureInvalid"))


def test_while_keys_change_either_will_do(serving: Plant) -> None:
    serving.sign("v2", serving.stranger)
    serving.wish("v2", "v1", keys=(serving.key, serving.stranger))
    assert (serving.edge.serves, serving.edge.falls_back_to) == ("v2", "v1")


def test_without_keys_nobody_needs_to_sign(plant: Plant) -> None:
    plant.wish("v2", "v1", keys=())
    assert (plant.edge.serves, plant.edge.falls_back_to, plant.edge.refused) == ("v2", "v1", {})


def test_a_registry_that_is_away_is_no_refusal(serving: Plant) -> None:
    away = Artifact(name="away", uri="oci://127.0.0.1:1/tiny", digest="sha256:" + "7" * 64)
    serving.edge.follow(wish(away, serving.version("v1"), revision=9, trusted_keys=(serving.key.public,)))
    assert (serving.edge.serves, serving.edge.refused, serving.edge.pending) == (
        "v1",
        {},
        ("away", "ConnectionRefused"),
    )


def test_signatures_come_from_a_real_registry_and_stay_when_it_goes(plant: Plant, tmp_path: Path) -> None:
    plant.sign("v1")
    (tmp_path / "registry").mkdir()
    with run_registry(tmp_path / "registry") as registry:
        digest = Client().push(plant.folder / "v1", registry.uri())
        there = Artifact(name="v1", uri=registry.uri(), digest=digest)
        plant.edge.follow(wish(there, trusted_keys=(plant.key.public,)))
        assert plant.edge.serves == "v1"
    plant.edge.restart()
    assert plant.edge.serves == "v1"
    assert plant.edge.pending is None


def test_a_bare_machine_serves_what_its_keys_signed(pod: Pod, origin: Path, tmp_path: Path) -> None:
    artifact, key = bundle(origin, "v1"), create_key(tmp_path / "plant.key")
    assert sign_folder(origin / "v1", key) == artifact.digest
    pod.serve("--bundle", str(origin / "v1"), "--trusted-keys", str(tmp_path / "plant.key.pub"))
    pod.await_version("v1")
    assert len(pod.worker()["trust"]["keys"]) == 1


def test_a_bare_machine_does_not_serve_what_nobody_signed(pod: Pod, origin: Path, tmp_path: Path) -> None:
    bundle(origin, "v1")
    public = create_key(tmp_path / "plant.key").public
    (origin / "serve.yaml").write_text(f"bundle: {origin / 'v1'}\ntrustedKeys: [{public}]\n")
    pod.serve("--config", str(origin / "serve.yaml"))
    wait_until(lambda: "SignatureMissing" in {r["reason"] for r in pod.worker().get("refused", ())}, "the refusal")
    assert not pod.ready()
    assert not (origin / "v1" / SIGNATURES).exists()
