"""With trusted keys in the wish a node takes nothing into service that none of them signed."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgemodel.bundle import MANIFEST, MODEL, digest_of
from edgemodel.signature import SIGNATURES
from edgemodel.wish import Artifact, Wish, WishError
from edgemodel_inference.config.settings import read
from edgemodel_inference.wish.local_wish import LocalWish
from edgemodel_inference.wish.second_chance import FORGIVE_AFTER
from edgemodel_registry import Client
from edgemodel_registry.signing import SigningKey, create_key, sign_folder
from tests.unit.inference_pod.edge_node import Edge
from tests.unit.inference_pod.live_pod import Pod, wait_until
from tests.unit.inference_pod.tiny_bundles import bundle, wish
from tests.unit.registry.real_registry import RealRegistry, run_registry

OTHER = "sha256:" + "1" * 64


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


def sealed(key: SigningKey, digest: str) -> bytes:
    return key.sign(digest).dump().encode()


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


Attached = Callable[[Plant, str], list[bytes]]
"""What lies beside an artifact with this digest."""

BESIDE: dict[str, tuple[Attached, str]] = {
    "nothing": (lambda _plant, _digest: [], "SignatureMissing"),
    "a stranger's": (lambda plant, digest: [sealed(plant.stranger, digest)], "SignatureInvalid"),
    "another artifact's": (lambda plant, _digest: [sealed(plant.key, OTHER)], "SignatureInvalid"),
    "half of one": (lambda plant, digest: [sealed(plant.key, digest)[:200]], "SignatureInvalid"),
    "one in a megabyte": (lambda plant, digest: [sealed(plant.key, digest) + b" " * 2**20], "SignatureInvalid"),
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with run_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def put(registry: RealRegistry, repository: str, plant: Plant, attached: Attached) -> Artifact:
    """v2 in a repository of its own."""
    uri = registry.uri(repository)
    digest = Client().push(plant.folder / "v2", uri)
    for envelope in attached(plant, digest):
        Client().attach(uri, digest, envelope)
    return Artifact(name="v2", uri=uri, digest=digest)


@pytest.mark.parametrize("beside", BESIDE)
def test_what_a_registry_has_beside_an_artifact_is_not_good_enough(
    serving: Plant, registry: RealRegistry, beside: str
) -> None:
    attached, code = BESIDE[beside]
    there = put(registry, f"bad-{list(BESIDE).index(beside)}", serving, attached)
    serving.edge.follow(wish(there, serving.version("v1"), revision=9, trusted_keys=(serving.key.public,)))
    assert (serving.edge.serves, serving.edge.refused) == ("v1", {"v2": code})


def test_rubbish_in_the_registry_does_not_hide_the_signature(serving: Plant, registry: RealRegistry) -> None:
    there = put(
        registry,
        "good",
        serving,
        lambda plant, digest: [b"rubbish", *(sealed(key, digest) for key in (plant.stranger, plant.key))],
    )
    serving.edge.follow(wish(there, serving.version("v1"), revision=9, trusted_keys=(serving.key.public,)))
    assert (serving.edge.serves, serving.edge.refused) == ("v2", {})


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


@pytest.mark.parametrize(
    ("text", "told"),
    [("hello", "want 1 to 8 public keys in PEM, got 0"), (None, "No such file"), ("-", "are given by --trusted-keys")],
)
def test_keys_that_cannot_be_read_are_named(tmp_path: Path, origin: Path, text: str | None, told: str) -> None:
    bundle(origin, "v1")
    public, keys, config = create_key(tmp_path / "plant.key").public, tmp_path / "keys.pub", tmp_path / "serve.yaml"
    if text is not None:
        keys.write_text(text)
    config.write_text(f"bundle: {origin / 'v1'}\n" + (f"trustedKeys: [{public}]\n" if text == "-" else ""))
    settings = read({"EDGEMODEL_CONFIG": str(config), "EDGEMODEL_TRUSTED_KEYS": str(keys)})
    with pytest.raises((WishError, OSError), match=told):
        LocalWish(settings, tmp_path / "wish.json").load()


def test_another_key_in_the_file_is_another_wish(tmp_path: Path, origin: Path) -> None:
    bundle(origin, "v1")
    for name in ("plant", "other"):
        create_key(tmp_path / name)
    keys = tmp_path / "keys.pub"
    keys.write_bytes((tmp_path / "plant.pub").read_bytes())
    local = LocalWish(
        read({"EDGEMODEL_BUNDLE": str(origin / "v1"), "EDGEMODEL_TRUSTED_KEYS": str(keys)}), tmp_path / "w"
    )
    before, stamp = local.load(), local.stamp()
    keys.write_bytes((tmp_path / "plant.pub").read_bytes() + (tmp_path / "other.pub").read_bytes())
    assert local.stamp() != stamp
    assert local.load().revision == before.revision + 1


def test_a_bare_machine_does_not_serve_what_nobody_signed(pod: Pod, origin: Path, tmp_path: Path) -> None:
    bundle(origin, "v1")
    public = create_key(tmp_path / "plant.key").public
    (origin / "serve.yaml").write_text(f"bundle: {origin / 'v1'}\ntrustedKeys: [{public}]\n")
    pod.serve("--config", str(origin / "serve.yaml"))
    wait_until(lambda: "SignatureMissing" in {r["reason"] for r in pod.worker().get("refused", ())}, "the refusal")
    assert not pod.ready()
    assert not (origin / "v1" / SIGNATURES).exists()
