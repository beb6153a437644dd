"""The healing ladder: act, settle, prove, climb, hold. A heal is a claim; no evidence proves nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemodel.faults import Rule
from edgemodel.ladder import (
    Act,
    ActionType,
    Attempt,
    Close,
    Evidence,
    Hold,
    Limits,
    Rest,
    Step,
    Verdict,
    Wait,
    next_step,
    patience,
    rung_of,
)

SWITCH, RESTART, ALERT = ActionType.SWITCH_MODEL, ActionType.RESTART, ActionType.ALERT
LADDER = (SWITCH, RESTART)
LIMITS = Limits(settle=60, min_samples=30, patience=300, cooldown=300, max_per_hour=4)
BAD = Evidence(active=True, samples=100)
GOOD = Evidence(active=False, samples=100)


def step(*attempts: Attempt, evidence: Evidence = BAD, now: float = 10_000.0) -> Step:
    return next_step(LADDER, attempts, evidence, LIMITS, now)


def tried(at: float, verdict: Verdict | None = None, action: ActionType = SWITCH) -> Attempt:
    return Attempt(action=action, at=at, verdict=verdict)


def test_the_first_action_comes_first() -> None:
    assert step() == Act(0)


def test_without_a_fault_nothing_is_done() -> None:
    assert step(evidence=GOOD) == Rest()


def test_what_nobody_measured_is_no_fault() -> None:
    assert step(evidence=Evidence(active=None)) == Rest()


def test_nothing_is_judged_before_it_has_settled() -> None:
    assert step(tried(9_950)) == Wait(10_010, "Settling")
    assert step(tried(9_950), evidence=GOOD) == Wait(10_010, "Settling")


def test_a_fault_that_is_still_there_after_settling_failed_the_action() -> None:
    assert step(tried(9_940)) == Close(Verdict.FAILED)


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (None, 300),
        (Rule(name="slow", metric="inference_latency_ms", operator=">", threshold=1), 300),
        (Rule(name="slow", metric="inference_latency_ms", operator=">", threshold=1, window=60), 630),
    ],
    ids=["an alert's", "a quick rule's", "a slow rule's"],
)
def test_evidence_is_waited_for_as_long_as_the_rule_takes(rule: Rule | None, wanted: float) -> None:
    assert patience(rule, interval=10) == wanted


def test_a_fault_that_is_gone_with_enough_samples_is_healed() -> None:
    assert step(tried(9_940), evidence=Evidence(active=False, samples=30)) == Close(Verdict.PROVED)


def test_too_few_samples_prove_nothing_yet() -> None:
    assert step(tried(9_940), evidence=Evidence(active=False, samples=29)) == Wait(10_300, "WaitingForEvidence")


def test_without_evidence_the_attempt_ends_unproved() -> None:
    assert step(tried(9_640), evidence=Evidence(active=None)) == Close(Verdict.UNPROVED)
    assert step(tried(9_640), evidence=Evidence(active=False, samples=29)) == Close(Verdict.UNPROVED)


def test_after_a_failed_action_the_next_one_follows_at_once() -> None:
    assert step(tried(9_900, Verdict.FAILED)) == Act(1)


def test_after_the_last_action_a_person_decides() -> None:
    assert step(tried(9_000, Verdict.FAILED), tried(9_900, Verdict.FAILED, RESTART)) == Hold("LadderExhausted")


def test_a_fault_that_comes_back_waits_for_the_cooldown_and_begins_anew() -> None:
    assert step(tried(9_900, Verdict.PROVED)) == Wait(10_200, "CoolingDown")
    assert step(tried(9_700, Verdict.PROVED)) == Act(0)


def test_an_unproved_action_waits_for_the_cooldown_and_says_so() -> None:
    assert step(tried(9_900, Verdict.UNPROVED)) == Wait(10_200, "Unproved")


def test_more_attempts_in_an_hour_than_allowed_end_it() -> None:
    attempts = [tried(at, Verdict.PROVED) for at in (6_500, 7_000, 8_000, 9_000)]
    assert step(*attempts) == Hold("TooManyHeals")
    assert step(*attempts, now=10_100.0) == Act(0)


def test_the_rung_counts_the_last_failures_in_a_row() -> None:
    failed, proved = tried(0, Verdict.FAILED), tried(0, Verdict.PROVED)
    assert rung_of([]) == 0
    assert rung_of([failed, failed]) == 2
    assert rung_of([failed, failed, proved, failed]) == 1


ATTEMPTS = st.lists(
    st.builds(tried, st.floats(0, 10_000), st.sampled_from([*Verdict])).map(lambda a: a), max_size=8
).map(lambda found: sorted(found, key=lambda attempt: attempt.at))
EVIDENCE = st.builds(Evidence, active=st.sampled_from([True, False, None]), samples=st.integers(0, 100))


@given(ATTEMPTS, EVIDENCE)
def test_nothing_is_ever_done_without_a_fault_that_was_measured(attempts: list[Attempt], evidence: Evidence) -> None:
    if evidence.active is not True:
        assert step(*attempts, evidence=evidence) == Rest()


@given(ATTEMPTS, st.floats(0, 10_000), EVIDENCE)
def test_while_one_action_is_under_proof_no_other_is_taken(
    attempts: list[Attempt], at: float, evidence: Evidence
) -> None:
    assert isinstance(step(*attempts, tried(at), evidence=evidence), Close | Wait)


@given(ATTEMPTS, EVIDENCE)
def test_waiting_always_ends_in_the_future(attempts: list[Attempt], evidence: Evidence) -> None:
    for found in (step(*attempts, evidence=evidence), step(*attempts, tried(9_999), evidence=evidence)):
        if isinstance(found, Wait):
            assert found.until > 10_000
