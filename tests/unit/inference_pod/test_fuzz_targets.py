"""The fuzz targets survive their seeds, changed and cut in every way that Hypothesis thinks of (see `make fuzz`)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import SEEDS, TARGETS

EDITS = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 4), st.binary(max_size=6)), max_size=6)
"""Places, how many bytes go there, and what comes instead."""


def change(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, gone, new in edits:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + gone :]
    return data


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
@settings(max_examples=200)
def test_a_target_survives_changed_seeds(name: str, data: st.DataObject) -> None:
    TARGETS[name](change(data.draw(st.sampled_from(SEEDS[name])), data.draw(EDITS)))


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.binary(max_size=200))
def test_a_target_survives_any_bytes(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
@settings(max_examples=50_000, deadline=None)
def test_a_target_survives_seeds_changed_many_times_over(name: str, data: st.DataObject) -> None:
    TARGETS[name](change(data.draw(st.sampled_from(SEEDS[name])), data.draw(EDITS)))
