"""Text of the resource: durations, sizes, shares, and what is cut to fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemodel.quantity import format_quantity, parse_quantity
from edgemodel_operator.api.types import format_duration, nodes_of, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("2m30s", 150), ("500ms", 0.5), ("1h", 3600), ("1h2m3s4ms", 3723.004), ("0s", 0)]
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "s", "1.5s", "10s5m", "-1s", "10 s", "1d", "10s\n"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 10s"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=86_400_000))
def test_every_duration_survives_writing_and_reading(milliseconds: int) -> None:
    assert round(parse_duration(format_duration(milliseconds / 1000)) * 1000) == milliseconds


@pytest.mark.parametrize(
    ("text", "size"), [("100Mi", 100 << 20), ("2G", 2 * 10**9), ("4096", 4096), ("1k", 1000), ("1Ti", 1 << 40)]
)
def test_a_size_is_read_as_bytes(text: str, size: int) -> None:
    assert parse_quantity(text) == size


@pytest.mark.parametrize("text", ["", "Mi", "100 Mi", "1.5Gi", "-1", "100MiB", "1K"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 100Mi"):
        parse_quantity(text)


@given(st.integers(min_value=0, max_value=1 << 49))
def test_every_size_survives_writing_and_reading(size: int) -> None:
    assert parse_quantity(format_quantity(size)) == size


@pytest.mark.parametrize(
    ("share", "total", "nodes"),
    [(1, 10, 1), (3, 2, 2), ("50%", 10, 5), ("50%", 3, 2), ("1%", 10, 1), ("100%", 7, 7), ("50%", 0, 0)],
)
def test_a_share_of_the_nodes_rounds_up_and_stays_within_what_there_is(
    share: int | str, total: int, nodes: int
) -> None:
    assert nodes_of(share, total) == nodes
