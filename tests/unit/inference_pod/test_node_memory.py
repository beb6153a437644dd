"""What a node remembers across restarts: its journal and its refusals."""

from pathlib import Path

import pytest

from edgemodel.ladder import ActionType, Verdict
from edgemodel_inference.disk.refusals import Refusals
from edgemodel_inference.healing import journal as module
from edgemodel_inference.healing.journal import Journal

SWITCH = ActionType.SWITCH_MODEL
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def test_an_open_attempt_is_still_open_after_a_restart(tmp_path: Path) -> None:
    Journal(tmp_path / "j", "boot", 0.0).note_attempt(5.0, "slow", SWITCH, "why", A, B)
    (attempt,) = Journal(tmp_path / "j", "boot", 9.0).attempts("slow")
    assert (attempt.action, attempt.at, attempt.verdict) == (SWITCH, 5.0, None)


def test_an_attempt_of_an_earlier_boot_counts_as_made_when_the_journal_is_opened(tmp_path: Path) -> None:
    Journal(tmp_path / "j", "boot 1", 0.0).note_attempt(50_000.0, "slow", SWITCH, "why", A, B)
    (attempt,) = Journal(tmp_path / "j", "boot 2", 7.0).attempts("slow")
    assert attempt.at == 7.0


def test_half_a_line_left_by_a_power_cut_costs_that_line_only(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", "boot", 0.0)
    journal.note_attempt(1.0, "slow", SWITCH, "", A)
    with (tmp_path / "j").open("ab") as file:
        file.write(b'{"kind": "Verd')
    again = Journal(tmp_path / "j", "boot", 2.0)
    again.note_verdict(3.0, "slow", SWITCH, Verdict.PROVED, "")
    (attempt,) = Journal(tmp_path / "j", "boot", 4.0).attempts("slow")
    assert attempt.verdict is Verdict.PROVED


def test_the_journal_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEP", 10)
    journal = Journal(tmp_path / "j", "boot", 0.0)
    for number in range(45):
        journal.note_attempt(float(number), "slow", SWITCH, "", A)
    assert len((tmp_path / "j").read_text().splitlines()) <= 20
    assert Journal(tmp_path / "j", "boot", 99.0).attempts("slow")[-1].at == 44.0


def test_heals_are_counted_across_restarts(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", "boot", 0.0)
    journal.note_attempt(1.0, "slow", SWITCH, "", A)
    journal.note_verdict(2.0, "slow", SWITCH, Verdict.FAILED, "")
    assert Journal(tmp_path / "j", "boot", 0.0).heals == {("slow", "SwitchModel", "Failed"): 1}


@pytest.fixture
def refusals(tmp_path: Path) -> Refusals:
    refusals = Refusals(tmp_path / "refused.json")
    refusals.add(A, "v2", "unsure")
    return refusals


def test_a_refusal_is_on_disk_at_once(refusals: Refusals, tmp_path: Path) -> None:
    assert A in Refusals(tmp_path / "refused.json")


def test_clearing_another_digest_lifts_nothing(refusals: Refusals) -> None:
    refusals.clear({B: 1})
    assert A in refusals


def test_clearing_lifts_a_refusal_for_good(refusals: Refusals, tmp_path: Path) -> None:
    refusals.clear({A: 1})
    assert A not in refusals
    assert A not in Refusals(tmp_path / "refused.json")


def test_a_digest_refused_again_stays_refused_while_the_old_clearing_stands(refusals: Refusals) -> None:
    refusals.clear({A: 1})
    refusals.add(A, "v2", "unsure")
    refusals.clear({A: 1})
    assert A in refusals


def test_a_digest_refused_again_is_lifted_by_a_new_clearing(refusals: Refusals) -> None:
    refusals.clear({A: 1})
    refusals.add(A, "v2", "unsure")
    refusals.clear({})
    refusals.clear({A: 1})
    assert A not in refusals


def test_a_passing_refusal_is_forgotten_by_a_restart(refusals: Refusals, tmp_path: Path) -> None:
    refusals.add(B, "v3", "ArtifactMissing", lasting=False)
    assert B not in Refusals(tmp_path / "refused.json")


def test_unreadable_refusals_do_not_keep_the_node_from_starting(tmp_path: Path) -> None:
    (tmp_path / "refused.json").write_text("{")
    assert Refusals(tmp_path / "refused.json").all() == ()
