"""`make bench-healing` counts from the first bad answer, and its brittle version is bad on strange pictures alone."""

import itertools

import numpy as np
import pytest

from tests.bench.healing.caller import IN_A_ROW, Healed, healed
from tests.bench.healing.scene import WANTED, model, picture
from tests.bench.serving import networks

BAD, GOOD = [False], [True]


def at_once_a_second(*answers: list[bool]) -> list[tuple[float, bool]]:
    return [(float(moment), good) for moment, good in enumerate(itertools.chain(*answers))]


def test_time_is_counted_from_the_first_bad_answer_to_the_twentieth_good_one() -> None:
    answers = at_once_a_second(5 * GOOD, 3 * BAD, (IN_A_ROW + 10) * GOOD)
    assert healed(answers) == Healed(seconds=2.0 + IN_A_ROW, bad_for=2.0)


def test_a_bad_answer_among_good_ones_begins_the_count_anew() -> None:
    answers = at_once_a_second(BAD, (IN_A_ROW - 1) * GOOD, BAD, IN_A_ROW * GOOD)
    assert healed(answers) == Healed(seconds=2.0 * IN_A_ROW, bad_for=float(IN_A_ROW))


@pytest.mark.parametrize("answers", [GOOD * 100, GOOD + BAD + GOOD * (IN_A_ROW - 1), []])
def test_nothing_is_healed_before_twenty_good_answers_follow_a_bad_one(answers: list[bool]) -> None:
    assert healed(at_once_a_second(answers)) is None


@pytest.mark.parametrize(("brittle", "strange", "good"), [(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_only_the_brittle_version_fails_and_only_on_strange_pictures(brittle: int, strange: int, good: int) -> None:
    (scores,) = networks.run(model(brittle=bool(brittle)), picture(strange=bool(strange)))
    assert (scores[WANTED] > 0 and np.argmax(scores) == WANTED) == bool(good)
