"""From an order to a trained student, where the machine or the image is special."""

from pathlib import Path

import pytest

from edgemodel_distill import errors
from tests.unit.distill_job.tiny_world import World, distil

HUNGRY = {"architecture": "tests.unit.distill_job.own_nets:hungry"}
"""Cannot be trained with more than 40 samples at once."""


def test_out_of_memory_halves_the_batch_once_and_says_so(world: World, work: Path) -> None:
    outcome, told = distil(world.change(student=HUNGRY, batchSize=32), work)
    assert outcome.accepted
    assert told.notes == ["out of memory with batches of 32: once more with 16"]


def test_out_of_memory_with_half_a_batch_is_an_error(world: World, work: Path) -> None:
    with pytest.raises(RuntimeError) as failed:
        distil(world.change(student=HUNGRY, batchSize=300), work)
    assert errors.classify(failed.value).code == "OutOfMemory"
