"""How many requests a second, how long one takes, and whether requests that are run together pay."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.bench.ratios import Row, ratio, report
from tests.bench.serving.contenders import AGAIN, ALL, EMPTY_SERVER, KSERVE_V1, OURS, OURS_JSON, V2_BINARY, ours
from tests.bench.serving.rounds import Found, Rounds, median, play, raw_run

CONNECTIONS = 16


def throughput(folder: Path, rounds: Rounds) -> dict[str, Any]:
    """At 16 connections and at one, beside the limit and the peers."""
    many = play(ALL, folder, CONNECTIONS, rounds)
    few = play((OURS, EMPTY_SERVER), folder, 1, rounds)
    rates = {name: median([each.rate for each in measured]) for name, measured in many.items()}
    raw = raw_run(folder)
    print("requests per second, 16 connections, rows of 784 floats")
    for name, rate in rates.items():
        print(f"  {name:<24} {rate:>9.0f}")
    print(f"  {'raw InferenceSession.run':<24} {1 / raw:>9.0f}")
    rows = [
        Row(
            "V2 binary over the empty answer (the limit of this HTTP server)", _over(many, OURS.name, EMPTY_SERVER.name)
        )
    ]
    if KSERVE_V1.name in many:
        rows += [
            Row("V2 binary over KServe V1", _over(many, OURS.name, KSERVE_V1.name), at_least=2.5),
            Row("V2 JSON over KServe V1", _over(many, OURS_JSON.name, KSERVE_V1.name), at_least=2.0),
        ]
    alone = [each.p50 for each in few[OURS.name]]
    limit = [each.p50 + raw for each in few[EMPTY_SERVER.name]]
    rows.append(Row("median at one connection over empty answer + raw run", ratio(alone, limit), at_most=1.6))
    return {"rates": rates, **report("ratios", rows, _over(many, AGAIN.name, OURS.name))}


def batching(folders: dict[str, Path], rounds: Rounds) -> dict[str, Any]:
    """On over off at 16 connections, and over ONNX Runtime's own batches of eight."""
    on, again = ours("batching on", V2_BINARY), ours("batching on, again", V2_BINARY)
    off = ours("batching off", V2_BINARY, EDGEMODEL_BATCH_SIZE="1")
    rows, control = [], None
    for name, folder in folders.items():
        wide = name == "wide perceptron"
        contenders = (on, again, off, EMPTY_SERVER) if wide else (on, off, EMPTY_SERVER)
        found = play(contenders, folder, CONNECTIONS, replace(rounds, anew=True))
        share = raw_run(folder, 8) / 8
        limit = [1 / (1 / empty + share) for empty in _rates(found[EMPTY_SERVER.name])]
        rows += [
            Row(f"{name}: on over off", _over(found, on.name, off.name), at_least=0.95),
            Row(
                f"{name}: on over raw batches of 8",
                ratio(_rates(found[on.name]), [1 / share] * rounds.count),
                at_least=0.8 if wide else None,
            ),
            Row(f"{name}: on over empty answer + an eighth of a raw run of 8", ratio(_rates(found[on.name]), limit)),
        ]
        control = _over(found, again.name, on.name) if wide else control
    assert control is not None, "the wide perceptron brings it"
    return report("batching, 16 connections", rows, control)


def _over(found: Found, one: str, other: str) -> Any:
    return ratio(_rates(found[one]), _rates(found[other]))


def _rates(measured: Sequence[Any]) -> list[float]:
    return [each.rate for each in measured]
