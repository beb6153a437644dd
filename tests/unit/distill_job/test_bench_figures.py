"""The names that build/bench/distill.json has its figures by, and what their intervals are over."""

import numpy as np
import pytest

from tests.bench.distillation.kept import Right
from tests.bench.distillation.tables import difference, summarise, timed


def told_right(share: float) -> Right:
    return np.arange(100) < 100 * share


@pytest.mark.parametrize(
    ("scene", "figures"),
    [
        ("low_label", {"alone": 0.80, "distilled": 0.86, "all_labels": 0.90}),
        ("drift", {"before": 0.30, "after_500": 0.70, "teacher": 0.90, "clean_before": 0.90, "clean_after": 0.89}),
        ("all_labels", {"alone": 0.90, "distilled": 0.91, "teacher": 0.95}),
    ],
)
def test_a_scene_has_its_accuracies_by_name_and_a_gain_with_an_interval(scene: str, figures: dict[str, float]) -> None:
    told = summarise(scene, [{name: told_right(share) for name, share in figures.items()}])[scene]
    assert {name: told[name] for name in figures} == figures
    assert told["gain"]["low"] < told["gain"]["points"] < told["gain"]["high"]


def test_the_share_is_how_much_of_the_way_was_gone() -> None:
    run = {"alone": told_right(0.90), "distilled": told_right(0.93), "teacher": told_right(0.94)}
    assert summarise("all_labels", [run])["all_labels"]["share"] == pytest.approx(0.75)


def test_an_interval_is_over_images_until_there_are_three_seeds() -> None:
    ours, theirs = np.stack([told_right(0.9)] * 3), np.stack([told_right(s) for s in (0.7, 0.8, 0.6)])
    assert difference(ours[:2], theirs[:2])["over"] == "images"
    assert difference(ours, theirs) == {"points": 20.0, "low": 3.14, "high": 36.86, "over": "seeds"}


FORMS = ("fp32", "int8-static", "pruned-fp32", "pruned-int8-static")


def test_int8_has_its_accuracies_its_speed_and_its_size() -> None:
    shares = dict(zip(FORMS, (0.90, 0.89, 0.88, 0.87), strict=True))
    figures = summarise("compressed", [{name: told_right(share) for name, share in shares.items()}])
    measured = {name: {"time_b1": 1.0, "time_b16": 1.0, "size": 100.0, "macs": 10.0} for name in (*FORMS, "teacher")}
    measured["int8-static"] |= {"time_b16": 0.5, "size": 30.0}
    int8 = figures["int8"] | timed(measured)["int8"]
    assert {name: int8[name] for name in ("accuracy", "fp32_accuracy", "speedup_b16", "size_ratio")} == {
        "accuracy": 0.89,
        "fp32_accuracy": 0.90,
        "speedup_b16": 2.0,
        "size_ratio": 0.3,
    }
