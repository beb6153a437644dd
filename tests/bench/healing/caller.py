"""A caller that asks a server without a pause, and says how long its answers were bad."""

import http.client
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.bench.healing.scene import WANTED, picture
from tests.bench.serving.contenders import Question, v2_binary

IN_A_ROW = 20
BUSY, SLOW = 0.004, 0.05
"""Seconds between two questions: while a fault is measured, and before."""
TIMEOUT = 5.0
QUESTIONS = {strange: v2_binary(picture(strange=strange)) for strange in (False, True)}

Answers = Sequence[tuple[float, bool]]
"""Each with its moment, and whether it was good."""


@dataclass(frozen=True)
class Healed:
    """Seconds from the first bad answer until twenty good ones in a row were there, and until the last bad one."""

    seconds: float
    bad_for: float


def healed(answers: Answers) -> Healed | None:
    """How long it took; None: it did not happen yet."""
    first: float | None = None
    last, good = 0.0, 0
    for moment, is_good in answers:
        if not is_good:
            first, last, good = moment if first is None else first, moment, 0
        elif first is not None:
            good += 1
            if good == IN_A_ROW:
                return Healed(moment - first, last - first)
    return None


class Caller:
    """One thread on one connection, which is opened anew where it breaks; no answer is a bad answer."""

    def __init__(self, host: str, port: int, *, strange: bool = False) -> None:
        """`strange`: what is asked about (see `scene`); may be changed at any time."""
        self.strange = strange
        self._host, self._port = host, port
        self._lock = threading.Lock()
        self._answers: list[tuple[float, bool]] = []
        self._pace = SLOW

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Ask, at first slowly."""
        stop = threading.Event()
        thread = threading.Thread(target=self._call, args=(stop,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(2 * TIMEOUT)

    def hurry(self) -> None:
        """Ask quickly from now on."""
        self._pace = BUSY

    def watch(self) -> None:
        """Forget the answers so far."""
        with self._lock:
            self._answers = []

    def await_healed(self, limit: float) -> Healed:
        """Wait for the twenty good answers, and ask slowly again.

        Raises:
            RuntimeError: they did not come within `limit` seconds.
        """
        deadline = time.monotonic() + limit
        while (found := healed(self.answers())) is None:
            if time.monotonic() > deadline:
                bad = sum(not good for _, good in self.answers())
                raise RuntimeError(f"no {IN_A_ROW} good answers within {limit:.0f} s, {bad} bad ones")
            time.sleep(0.05)
        self._pace = SLOW
        return found

    def answers(self) -> Answers:
        """Since `watch`."""
        with self._lock:
            return list(self._answers)

    def _call(self, stop: threading.Event) -> None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT)
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            good = False
            try:
                good = _ask(connection, QUESTIONS[self.strange])
            except (OSError, http.client.HTTPException):
                connection.close()
            with self._lock:
                self._answers.append((time.monotonic(), good))
            due = max(due + self._pace, time.monotonic())
        with suppress(OSError):
            connection.close()


def _ask(connection: http.client.HTTPConnection, question: Question) -> bool:
    connection.request("POST", question.path, question.body, dict(question.headers))
    answer = connection.getresponse()
    body = answer.read()
    assert question.read is not None, "a question about values"
    if answer.status != http.HTTPStatus.OK:
        return False
    scores = question.read(body, {name.lower(): text for name, text in answer.headers.items()})
    return scores[WANTED] > 0 and max(scores) == scores[WANTED]
