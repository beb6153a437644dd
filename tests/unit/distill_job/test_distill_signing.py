"""With trusted keys the Job learns from nothing unsigned; with a key of its own it signs what it ships."""

from pathlib import Path

import pytest

from edgemodel.signature import SIGNATURES
from edgemodel_distill import trust
from edgemodel_distill.config import Settings
from edgemodel_distill.errors import BadSettings, DistillError
from edgemodel_registry import Client
from edgemodel_registry.signatures import read_signatures
from edgemodel_registry.signing import SigningKey, check, create_key, sign_folder
from tests.unit.distill_job.tiny_world import World, distil

MADE_BY_PEOPLE = ("teacher", "dataset", "parent")


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return create_key(tmp_path / "plant.key")


@pytest.fixture
def clean(world: World) -> World:
    """Nothing is signed."""
    for what in MADE_BY_PEOPLE:
        (world.folder / what / SIGNATURES).unlink(missing_ok=True)
    return world


def test_a_students_tag_names_what_the_jobs_key_signed(clean: World, key: SigningKey, tmp_path: Path) -> None:
    push = clean.repository("signed-student")
    outcome, _ = distil(clean.change(push=push), tmp_path / "work", key)
    assert outcome.digest is not None
    assert check(outcome.digest, Client().signatures(push, outcome.digest), [key.public]) == key.public


def test_signed_ingredients_give_a_signed_student(clean: World, key: SigningKey, tmp_path: Path) -> None:
    for what in MADE_BY_PEOPLE:
        sign_folder(clean.folder / what, key)
    order = clean.change(push=f"file://{tmp_path / 'student'}", trustedKeys=[key.public])
    outcome, _ = distil(order, tmp_path / "work", key)
    assert outcome.digest is not None
    assert check(outcome.digest, read_signatures(tmp_path / "student"), [key.public]) == key.public


@pytest.mark.parametrize("unsigned", MADE_BY_PEOPLE)
def test_nothing_is_learnt_from_what_nobody_signed(
    clean: World, key: SigningKey, tmp_path: Path, unsigned: str
) -> None:
    for what in set(MADE_BY_PEOPLE) - {unsigned}:
        sign_folder(clean.folder / what, key)
    with pytest.raises(DistillError, match=f"^{unsigned}: .*nobody signed it") as refused:
        distil(clean.change(trustedKeys=[key.public], push=clean.repository("unsigned")), tmp_path / "work", key)
    assert (refused.value.code, clean.manifests("unsigned")) == ("SignatureMissing", [])


def test_a_strangers_teacher_is_refused(clean: World, key: SigningKey, tmp_path: Path) -> None:
    sign_folder(clean.folder / "teacher", create_key(tmp_path / "stranger.key"))
    with pytest.raises(DistillError, match="which is not trusted") as refused:
        distil(clean.change(trustedKeys=[key.public]), tmp_path / "work", key)
    assert refused.value.code == "SignatureInvalid"


def test_a_student_that_may_not_ship_is_not_signed(clean: World, key: SigningKey, tmp_path: Path) -> None:
    outcome, _ = distil(clean.change(gates={"maxSize": 10}), tmp_path / "work", key)
    assert outcome.code == "Rejected"
    assert not (tmp_path / "work" / "candidate" / SIGNATURES).exists()


def test_a_key_that_no_node_trusts_is_told_before_any_training(clean: World, key: SigningKey, tmp_path: Path) -> None:
    order = clean.change(trustedKeys=[create_key(tmp_path / "stranger.key").public])
    with pytest.raises(BadSettings, match="no node would take what this key signs"):
        trust.signing_key(order, Settings(signing_key=tmp_path / "plant.key"))
    assert key.public not in str(order.trusted_keys)


def test_trusted_keys_want_a_key_to_sign_with(clean: World, key: SigningKey) -> None:
    with pytest.raises(BadSettings, match="EDGEMODEL_SIGNING_KEY: want the file of a private key"):
        trust.signing_key(clean.change(trustedKeys=[key.public]), Settings())


def test_a_missing_secret_is_named(clean: World, tmp_path: Path) -> None:
    settings = Settings.read({"EDGEMODEL_SIGNING_KEY": str(tmp_path / "none")})
    with pytest.raises(BadSettings, match=r"cannot be read.*in a cluster: spec\.distillation\.signingSecret"):
        trust.signing_key(clean.change(), settings)


def test_without_keys_nothing_is_signed_and_nothing_asked(clean: World, tmp_path: Path) -> None:
    assert trust.signing_key(clean.change(), Settings()) is None
    distil(clean.change(push=f"file://{tmp_path / 'student'}"), tmp_path / "work")
    assert not (tmp_path / "student" / SIGNATURES).exists()
