"""Who is silent, and who waits in vain, as another worker judges it."""

import threading
from typing import cast

import pytest
from torch.distributed import Store  # type: ignore[attr-defined]  # torch does not list what it exports

from edgemodel_distill import life
from edgemodel_distill.config import Post
from edgemodel_distill.crew import Crew
from edgemodel_distill.life import Ear, Sign

LOOKS = 3


def judge(ear: Ear, own: Sign, *others: Sign, looks: int = LOOKS) -> str:
    """What is found in so many looks, between which nothing new is heard after `others`."""
    for rank, sign in enumerate(others, start=1):
        ear.hear(rank, sign)
    found = [ear.look(own) for _ in range(looks)]
    return str(next((each for each in found if each is not None), ""))


def sign(number: int = 1, beats: int = 0, sums: int = 0) -> Sign:
    return Sign(number, beats, sums)


@pytest.fixture
def ear() -> Ear:
    return Ear((1, 2), LOOKS)


def test_a_sign_is_read_as_it_was_told() -> None:
    assert Sign.parse(sign(5, 6, 7).dump().encode()) == sign(5, 6, 7)


def test_who_was_never_heard_is_not_missed(ear: Ear) -> None:
    assert judge(ear, sign(), looks=100) == ""


def test_who_is_silent_for_too_long_is_lost(ear: Ear) -> None:
    judge(ear, sign(), sign(), sign(), looks=LOOKS)
    ear.hear(1, sign(2))
    assert "worker 2" in judge(ear, sign(), looks=1)


def test_who_is_heard_again_in_time_is_not_lost(ear: Ear) -> None:
    for number in range(10):
        assert judge(ear, sign(), sign(number), sign(number), looks=LOOKS) == ""


def waiting(ear: Ear, own: int, *others: int) -> str:
    """What is found where all tell regularly that they are in these sums."""
    found = [judge(ear, sign(sums=own), *(sign(number, sums=sums) for sums in others), looks=1) for number in range(9)]
    return next((each for each in found if each), "")


def test_all_in_one_sum_for_too_long_are_stuck(ear: Ear) -> None:
    assert "a connection between them is broken" in waiting(ear, 7, 7, 7)


def test_a_worker_that_waits_for_one_at_work_is_not_stuck(ear: Ear) -> None:
    assert waiting(ear, 7, 7, 6) == ""


def test_a_worker_that_did_not_come_yet_is_waited_for(ear: Ear) -> None:
    assert waiting(ear, 7, 7) == ""


def test_sums_that_go_on_are_no_reason_to_end(ear: Ear) -> None:
    for number in range(10):
        sums = 2 * number + 1
        assert judge(ear, sign(sums=sums), sign(number, sums=sums), sign(number, sums=sums), looks=2) == ""


def test_work_of_another_is_noticed_once(ear: Ear) -> None:
    ear.hear(1, sign(1, beats=1))
    assert [ear.hear(1, sign(2, beats=2)), ear.hear(1, sign(3, beats=2))] == [True, False]


class SlowStore:
    """A stand-in for PyTorch's: whoever tells it something waits until `answer` is set."""

    def __init__(self) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()

    def set(self, _key: str, _value: str) -> None:
        self.asked.set()
        self.answer.wait(10)

    def check(self, _keys: list[str]) -> bool:
        return False


def test_at_the_end_nobody_waits_in_pytorch_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "_BEAT", 0.01)  # a sign is on its way when the end comes
    slow = SlowStore()
    store = cast("Store", slow)
    crew = Crew(Post(rank=0, workers=2, leader="127.0.0.1", port=1), store, 60)
    with life.signs_of_life(crew, store, 60, lambda _: None):
        assert slow.asked.wait(10)
        threading.Timer(0.2, slow.answer.set).start()
    assert "signs of life" not in {thread.name for thread in threading.enumerate()}
