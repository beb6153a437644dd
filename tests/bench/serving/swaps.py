"""How long until another version answers, and what that costs callers.

Ours is told by a link that points to another bundle, as a wish is on a node; it looks at it every 0.2 s. The peers are
told by their repository's `load` after the file was changed, as they are meant to be. Two callers ask without a break;
the time ends with the first answer of the new version.
"""

import contextlib
import http.client
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgemodel.wish import Artifact
from edgemodel_inference.disk.refusals import Refusals
from edgemodel_inference.model.engine import Engine
from edgemodel_inference.model.models import open_model
from edgemodel_inference.wish.serving import Serving
from tests.bench.ratios import Row, ratio, report
from tests.bench.serving import networks
from tests.bench.serving.contenders import KSERVE_V2, LOAD_CORE, MLSERVER, OURS, Contender
from tests.bench.serving.rounds import come_up, median

VARIANTS = "abc"
CALLERS = 2
LIMIT = 20.0
FLIP, FLIP_AGAIN = "ours, the flip itself, as the healer does it", "ours, the flip itself, again"
FLIPS = 200
"""Of each in a round."""
STEADY = 0.2
"""Seconds of answers before each telling."""


@dataclass
class Seen:
    """What callers saw: when a version answered, and what went wrong."""

    answers: list[tuple[float, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Scene:
    """The folder that all servers read from: three versions, and the links that say which is the present one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.rows: dict[str, float] = {}
        for number, variant in enumerate(VARIANTS):
            model = networks.perceptron(networks.SMALL, seed=number)
            (folder / f"{variant}.onnx").write_bytes(model)
            networks.bundle(folder, variant, model)
            self.rows[variant] = float(networks.run(model, networks.row()).ravel()[0])
        self.point(VARIANTS[0])

    def point(self, variant: str) -> None:
        """Switch both links, each in one step."""
        for link, target in (("bundle", variant), ("model.onnx", f"{variant}.onnx")):
            networks.switch(self.folder / link, target)

    def variant_of(self, value: float) -> str:
        """Whose answer begins with `value`."""
        return min(self.rows, key=lambda variant: abs(self.rows[variant] - value))


def swaps(folder: Path, restarts: dict[str, list[float]], rounds: int) -> dict[str, Any]:
    """`restarts`: seconds from the start to the first answer, by contender; what a restarted pod takes at least."""
    os.sched_setaffinity(0, {int(LOAD_CORE)})  # the callers are threads of this process
    try:
        book = _play(folder, rounds)
    finally:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    print("another version: seconds from the telling to its first answer (median), requests that failed")
    for name, values in book.seconds.items():
        print(f"  {name:<48} {median(values):>10.6f} s  {book.failed[name]} failed")
    swap, back, flip = book.seconds[_swap(OURS)], book.seconds[_back(OURS)], book.seconds[FLIP]
    rows = []
    for peer in (MLSERVER, KSERVE_V2):
        if (theirs := book.seconds.get(_swap(peer))) is not None:
            rows += [
                Row(f"swap, told by a link, over {_swap(peer)}", ratio(swap, theirs), at_most=0.05),
                Row(f"flip over {_swap(peer)}", ratio(flip, theirs), at_most=0.05),
            ]
    for name, values in restarts.items():
        some = min(len(back), len(values))
        rows += [
            Row(f"rollback, told by a link, over a start of {name}", ratio(back[:some], values[:some]), at_most=0.01),
            Row(f"flip over a start of {name}", ratio(flip[:some], values[:some]), at_most=0.01),
        ]
    # When a link is looked at is chance, up to 0.2 s: the flips say whether the machine was quiet.
    control = ratio(book.seconds[FLIP_AGAIN], flip)
    return {"seconds": book.seconds, "failed": book.failed, **report("ratios", rows, control)}


class Flipper:
    """Two resident versions in this process, flipped as the healer does it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._models = []
        for number in range(2):
            bundle = networks.bundle(folder, f"v{number}", networks.perceptron(networks.SMALL, seed=number))
            artifact = Artifact(name=f"v{number}", uri=bundle.as_uri(), digest="sha256:" + str(number) * 64)
            self._models.append(open_model(bundle, artifact, threads=1))
        self._serving = Serving(Engine(), Refusals(folder / "refused.json"), folder / "serving.json")
        self._flipped: list[float] = []
        self._serving.on_switch(lambda _: self._flipped.append(time.perf_counter()))

    def seconds(self, turn: int) -> float:
        """From the wish for the other version, an odd or an even `turn`, until requests get it; the record follows."""
        began = time.perf_counter()
        self._serving.activate(self._models[turn % 2], lambda: True)
        return self._flipped[-1] - began


def _swap(contender: Contender) -> str:
    return f"{contender.name}: a version from the disk" if not contender.requirements else f"{contender.name}: reload"


def _back(contender: Contender) -> str:
    return f"{contender.name}: the resident backup"


@dataclass
class Book:
    """What was measured, by name."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)

    def note(self, name: str, seconds: float, failed: int = 0) -> None:
        """One more."""
        self.seconds.setdefault(name, []).append(seconds)
        self.failed[name] = self.failed.get(name, 0) + failed


@dataclass(frozen=True)
class Stage:
    """A server that is up, and what it serves from."""

    contender: Contender
    scene: Scene
    port: int

    def play(self, number: int, book: Book) -> None:
        """One version further; ours also back to the resident one, and there again."""
        before, after = VARIANTS[number % 3], VARIANTS[(number + 1) % 3]
        book.note(_swap(self.contender), *_switch(self, after))
        if not self.contender.requirements:
            book.note(_back(self.contender), *_switch(self, before))
            _switch(self, after)


def _play(folder: Path, rounds: int) -> Book:
    flippers = {name: Flipper(folder / name.replace(" ", "-").replace(",", "")) for name in (FLIP, FLIP_AGAIN)}
    book = Book()
    with contextlib.ExitStack() as stack:
        stages = [
            Stage(contender, scene, server.port)
            for contender in (OURS, MLSERVER, KSERVE_V2)
            for scene in [Scene(folder / contender.name.partition(" ")[0])]
            for server in come_up(stack, [contender], scene.folder).values()
        ]
        for number in range(-len(VARIANTS), rounds):
            if number == 0:  # until now each version was met for the first time, and passed the jail
                book = Book()
            _flip(flippers, book)
            for stage in random.sample(stages, len(stages)):
                stage.play(number, book)
    return book


def _flip(flippers: Mapping[str, Flipper], book: Book) -> None:
    """The median of many flips of each: one takes some millionths of a second, so they take turns one by one."""
    taken: dict[str, list[float]] = {name: [] for name in flippers}
    for turn in range(FLIPS):
        for name in random.sample(list(flippers), len(flippers)):
            taken[name].append(flippers[name].seconds(turn))
    for name, seconds in taken.items():
        book.note(name, median(seconds))


def _switch(stage: Stage, to: str) -> tuple[float, int]:
    """Seconds until `to` answered, and how many requests failed meanwhile."""
    contender = stage.contender
    with _callers(contender, stage.scene, stage.port) as seen:
        time.sleep(STEADY)
        told = time.monotonic()
        stage.scene.point(to)
        if contender.requirements:
            _post(stage.port, "/v2/repository/models/bench/load")
        while not any(variant == to for _, variant in seen.answers[-CALLERS:]):
            if time.monotonic() > told + LIMIT:
                raise RuntimeError(f"{contender.name}: no new version within {LIMIT:.0f} s: {seen.failed[:3]}")
            time.sleep(0.001)
        time.sleep(STEADY)
    first = next(answered for answered, variant in seen.answers if answered > told and variant == to)
    return first - told, len(seen.failed)


@contextmanager
def _callers(contender: Contender, scene: Scene, port: int) -> Iterator[Seen]:
    seen, stop = Seen(), threading.Event()
    arguments = (contender, scene, port, seen, stop)
    threads = [threading.Thread(target=_call, args=arguments, daemon=True) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)


def _call(contender: Contender, scene: Scene, port: int, seen: Seen, stop: threading.Event) -> None:
    question = contender.question
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    assert question.read is not None, "every one of them answers with values"
    while not stop.is_set():
        try:
            connection.request("POST", question.path, question.body, dict(question.headers))
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            seen.failed.append(type(error).__name__)
            connection.close()
            continue
        if answer.status != http.HTTPStatus.OK:
            seen.failed.append(str(answer.status))
            continue
        value = question.read(body, {name.lower(): text for name, text in answer.headers.items()})[0]
        seen.answers.append((time.monotonic(), scene.variant_of(value)))
    connection.close()


def _post(port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    with contextlib.closing(connection):
        connection.request("POST", path, b"", {"Content-Length": "0"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{path}: {answer.status} {text[:300]!r}")
