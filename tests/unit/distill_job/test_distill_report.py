"""The report in a student's bundle, and how far the edge is from the training set."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from edgemodel.bundle import DRIFT, EDGE_FILES, REPORT_HTML, REPORT_MARKDOWN
from edgemodel_distill.drift import LARGE_PSI, compare
from edgemodel_distill.page import Chart, Table, Text, to_html, to_markdown
from edgemodel_distill.report import confusion
from edgemodel_registry.folder import check_folder
from tests.unit.distill_job.tiny_world import LABELS, World, distil

RANDOM = np.random.default_rng(0)
TRAINING = RANDOM.normal(0, 1, (3000, 4)).astype(np.float32)
LOGITS = RANDOM.normal(0, 3, (3000, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def candidate(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an accepted student."""
    work = tmp_path_factory.mktemp("work")
    distil(world.change(push=world.repository("reported")), work)
    return work / "candidate"


def test_the_report_lies_in_the_bundle_and_no_node_fetches_it(candidate: Path) -> None:
    report = {REPORT_MARKDOWN, REPORT_HTML, DRIFT}
    assert report <= check_folder(candidate).files.keys()
    assert report.isdisjoint(EDGE_FILES)


def test_the_report_has_gates_curves_confusions_data_drift_and_lineage(candidate: Path) -> None:
    told = (candidate / REPORT_MARKDOWN).read_text()
    headings = ["Gates", "Training", "Holdout", "Data", "Drift", "Lineage"]
    assert re.findall(r"^## (.*)$", told, re.MULTILINE) == headings
    assert re.search(r"\| minAccuracy \| 0.9 \| 0\.9\d+ \| passed \|", told)
    assert all(f"| {label} |" in told for label in LABELS)


def test_a_time_is_in_no_report_since_equal_runs_have_equal_digests(candidate: Path) -> None:
    assert "| maxLatencyRatio | 50 | not told: a time | passed |" in (candidate / REPORT_MARKDOWN).read_text()


def test_the_verdict_stands_first_and_the_recipe_last(candidate: Path) -> None:
    told = (candidate / REPORT_MARKDOWN).read_text()
    assert told.index("Accepted: every gate let it pass.") < told.index("| minAccuracy |")
    assert "| method.augment.noise | 0.25 |" in told


class Tags(HTMLParser):
    """Knows which tags are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_nobody_for_anything(candidate: Path) -> None:
    page, tags = (candidate / REPORT_HTML).read_text(), Tags()
    tags.feed(page)
    assert tags.open == []
    assert {"table", "svg", "polyline"} <= set(tags.seen)
    assert not re.search(r"https?://|<script|<link|<img", page)


def test_what_lies_farther_out_is_drift(candidate: Path) -> None:
    drift = json.loads((candidate / DRIFT).read_text())
    assert drift["figures"]["spread"]["psi"] > LARGE_PSI
    assert sum(drift["classes_edge"]) == pytest.approx(1, abs=0.001)


def test_the_page_draws_the_edge_over_the_training_set(candidate: Path) -> None:
    page = (candidate / REPORT_HTML).read_text()
    drawn = page[page.index("<h2>Drift</h2>") : page.index("<h2>Lineage</h2>")]
    pictures = re.findall(r"<svg.*?</svg>", drawn, re.DOTALL)
    assert len(pictures) == len(json.loads((candidate / DRIFT).read_text())["figures"]) == 3
    for picture in pictures:
        assert picture.count("<polyline") == 2
        assert re.search(r">training</text>.*>edge</text>", picture, re.DOTALL)


def test_equal_sets_have_no_drift() -> None:
    drift = compare(TRAINING, TRAINING, LOGITS, LOGITS)
    assert {(c.psi, c.ks) for c in drift.figures.values()} == {(0.0, 0.0)}


def test_the_largest_gap_is_that_of_kolmogorov_and_smirnov() -> None:
    edge = RANDOM.normal(0.3, 1, (500, 4)).astype(np.float32)
    drift = compare(TRAINING, edge, LOGITS, LOGITS[:500])
    wanted = stats.ks_2samp(TRAINING.mean(axis=1), edge.mean(axis=1)).statistic
    assert drift.figures["mean"].ks == pytest.approx(wanted, abs=1e-4)


def test_a_shift_of_one_sigma_has_the_stability_index_of_its_formula() -> None:
    """Of two normal distributions with equal spread it is the square of the shift, but for the ten bins."""
    shift = 0.5
    one, other = (RANDOM.normal(mean, 1, (20_000, 1)).astype(np.float32) for mean in (0, shift))
    logits = np.zeros((20_000, 2), np.float32)
    assert compare(one, other, logits, logits).figures["mean"].psi == pytest.approx(shift**2, rel=0.15)


def test_an_answer_that_never_came_has_no_confidence() -> None:
    sure = np.array([[9, 0, 0], [0, 9, 0]], np.float32)
    drift = compare(TRAINING[:2], TRAINING[:2], sure, sure)
    assert drift.confidence_per_class == (pytest.approx(0.9998, abs=1e-3),) * 2 + (None,)


def test_a_constant_input_is_compared_too() -> None:
    flat = np.ones((50, 4), np.float32)
    drift = compare(flat, flat, LOGITS[:50], LOGITS[:50])
    assert drift.figures["spread"].psi == 0


def test_confusions_have_labels_in_rows_and_answers_in_columns() -> None:
    logits = np.eye(3, dtype=np.float32)[[0, 1, 1, 2]]
    assert confusion(logits, np.array([0, 0, 1, 2])) == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_names_of_classes_cannot_break_the_page() -> None:
    sections = [("<b>", [Text("a<b"), Table(["a|b", "<i>"], [["<script>", "x"]]), Chart("<", [1.0], {"<": [1.0]})])]
    tags = Tags()
    tags.feed(to_html("<t>", sections))
    assert tags.open == []
    assert not {"b", "i", "t", "script"} & set(tags.seen)
    assert "a\\|b" in to_markdown("t", sections)


def test_one_epoch_is_a_dot_and_not_nothing() -> None:
    page = to_html("t", [("a", [Chart("epoch", [1.0], {"loss": [2.0]})])])
    assert re.search(r'points="(\S+) \1"', page)


@pytest.mark.parametrize(("losses", "share"), [([100.0, 10.0, 1.0], 0.5), ([100.0, 10.0, 0.0], 0.9)])
def test_losses_are_drawn_by_magnitude_where_none_is_zero(losses: list[float], share: float) -> None:
    page = to_html("t", [("a", [Chart("epoch", [1.0, 2.0, 3.0], {"loss": losses}, by_magnitude=True)])])
    first, second, last = (float(height) for height in re.findall(r"[\d.]+,([\d.]+)", page))
    assert round((second - first) / (last - first), 2) == share


def test_a_confusion_matrix_is_shaded_by_the_rows_shares() -> None:
    page = to_html("t", [("a", [Table(["", "x", "y"], [["x", "3", "1"]], shaded=True)])])
    assert re.findall(r"31,119,180,([\d.]+)", page) == ["0.45", "0.15"]
