"""The digits that demo and tests live on: who may see which image."""

import numpy as np
import pytest

from lab import digits


@pytest.fixture(scope="module")
def images() -> digits.Images:
    return digits.divide()


def keys(inputs: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in inputs}


def test_all_real_images_are_used_and_no_two_parts_share_one(images: digits.Images) -> None:
    parts = [images.labelled.inputs, images.traffic.inputs, images.exam.inputs]
    assert sum(map(len, parts)) == 1797
    assert len(set.union(*map(keys, parts))) == sum(len(keys(part)) for part in parts)


def test_inputs_are_what_the_card_promises(images: digits.Images) -> None:
    inputs = images.exam.inputs
    assert (inputs.shape[1:], inputs.dtype) == (digits.SHAPE, np.float32)
    assert (inputs.min(), inputs.max()) == (0, 1)


def test_drift_is_the_same_each_time_and_changes_every_image(images: digits.Images) -> None:
    one, two = digits.drift(images.exam, seed=1), digits.drift(images.exam, seed=1)
    assert np.array_equal(one.inputs, two.inputs)
    assert keys(one.inputs).isdisjoint(keys(images.exam.inputs))


def test_hardened_images_keep_their_labels(images: digits.Images) -> None:
    hardened = digits.harden(images.labelled, 2, seed=0)
    assert hardened.labels.tolist() == images.labelled.labels.tolist() * 3
