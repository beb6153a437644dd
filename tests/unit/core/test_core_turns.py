"""Turns: few nodes at a time, by the clock and their names alone, and every node gets one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemodel.turns import MOST, OPEN, TURN, seconds_until, turns_for

NAMES = st.sets(st.text("abcdefghijklmnopqrstuvwxyz-0123456789", min_size=1, max_size=20), min_size=1, max_size=60)
WALL = st.floats(0, 4e9, allow_nan=False)


@given(nodes=NAMES, at_once=st.integers(1, 60), wall=WALL)
def test_no_more_nodes_than_allowed_begin_in_one_turn(nodes: set[str], at_once: int, wall: float) -> None:
    turns = turns_for(nodes, at_once)
    beginning = [node for node in nodes if seconds_until(node, turns, wall) == 0]
    assert turns == MOST or len(beginning) <= at_once


@given(node=st.text(min_size=1, max_size=20), turns=st.integers(1, MOST), wall=WALL)
def test_every_node_has_its_turn_within_one_round(node: str, turns: int, wall: float) -> None:
    wait = seconds_until(node, turns, wall)
    assert 0 <= wait <= turns * TURN
    assert seconds_until(node, turns, wall + wait + OPEN / 2) == 0 or wait == 0


def test_with_one_turn_nobody_waits() -> None:
    assert {seconds_until(f"edge-{i}", 1, i * 1.7) for i in range(20)} == {0.0}


@pytest.mark.parametrize(("size", "at_once", "most"), [(1, 1, 1), (4, 1, 12), (20, 5, 7), (200, 50, 6), (1000, 250, 6)])
def test_a_share_of_the_fleet_needs_few_turns(size: int, at_once: int, most: int) -> None:
    assert turns_for([f"edge-{i}" for i in range(size)], at_once) <= most


def test_a_fleet_whose_nodes_may_go_all_at_once_has_one_turn() -> None:
    assert turns_for(["a", "b", "c"], 3) == 1


def test_the_order_of_nodes_does_not_matter() -> None:
    nodes = [f"edge-{i}" for i in range(30)]
    assert turns_for(nodes, 5) == turns_for(nodes[::-1], 5)
