"""The local ladder: falls back, climbs, stops where the node's power ends, and remembers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest

from edgemodel.faults import Rule
from edgemodel.ladder import ActionType
from edgemodel.turns import TURN, seconds_until
from edgemodel.wish import Artifact, Healing, Held, LocalAction, LocalStrategy, Webhook, Wish
from edgemodel_inference.disk.refusals import Refusals
from edgemodel_inference.healing import journal as journal_module
from edgemodel_inference.healing.detector import FaultWatch
from edgemodel_inference.healing.healer import Healer, local_actions
from edgemodel_inference.healing.journal import Journal
from edgemodel_inference.model.engine import Engine
from edgemodel_inference.model.models import open_model
from edgemodel_inference.wish.serving import Serving
from tests.unit.inference_pod.tiny_bundles import bundle, wish

SWITCH, RESTART, REDISTILL = ActionType.SWITCH_MODEL, ActionType.RESTART, ActionType.REDISTILL
CLEAR_CACHE, WEBHOOK = ActionType.CLEAR_CACHE, ActionType.WEBHOOK
HOOK = Webhook(url="http://reboot.plant/now", key_file="/etc/edgemodel/webhooks/reboot/key")
RULE = Rule(name="unsure", metric="model_confidence_mean", operator="<", threshold=0.7, window=1, trigger_count=1)
Artifacts = tuple[Path, Artifact, Artifact, Artifact]
BAD, GOOD = {"model_confidence_mean": 0.3}, {"model_confidence_mean": 0.9}


def strategy(actions: Sequence[ActionType], **settings: float) -> Healing:
    delay = settings.get("delay", 0.0)
    rungs = tuple(LocalAction(type=a, delay=delay, webhook=HOOK if a is WEBHOOK else None) for a in actions)
    return Healing(strategies=(LocalStrategy(faults=("unsure",), actions=rungs),), settle=10, min_samples=5, cooldown=0)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    folder = tmp_path_factory.mktemp("healer")
    return folder, bundle(folder, "v1"), bundle(folder, "v2", scale=5.0), bundle(folder, "v3", scale=6.0)


class Calls:
    """A sender of webhooks without a network."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, object]]] = []
        self.refused: dict[str, str] = {}

    def send(self, hook: Webhook, fault: str, body: Mapping[str, object]) -> None:
        self.sent.append((hook.url, dict(body)))

    def failed(self) -> dict[str, str]:
        found, self.refused = self.refused, {}
        return found


class Bench:
    """A healer with everything it acts upon, and a clock that is turned by hand."""

    def __init__(self, state: Path, artifacts: Artifacts, actions: Sequence[ActionType]) -> None:
        self.folder, self.v1, self.v2, self.v3 = artifacts
        self.state = state
        self.refusals = Refusals(state / "refused.json")
        self.serving = Serving(Engine(), self.refusals, state / "serving.json")
        self.watch = FaultWatch()
        self.watch.replace_rules([RULE])
        self.serving.on_switch(lambda _: self.watch.forget())
        for artifact in (self.v1, self.v2):
            self.arrive(artifact)
        self.restarts: list[str] = []
        self.scrubs: list[str] = []
        self.calls = Calls()
        self.wall = 0.0
        self.wish = wish(self.v2, self.v1, rules=(RULE,), healing=strategy(actions))
        self.reopen()
        self.healer.follow(self.wish, 0.0)

    def arrive(self, artifact: Artifact) -> None:
        """What the agent does when a version is here."""
        self.serving.activate(open_model(self.folder / artifact.name, artifact, 1), lambda: True)

    def reopen(self) -> None:
        """What a new process finds on the disk."""
        self.journal = Journal(self.state / "journal.jsonl", "boot", 0.0)
        self.healer = Healer(
            "edge-1",
            self.journal,
            self.serving,
            restart=self.restarts.append,
            clear_cache=lambda: self.scrubs.append("asked"),
            webhooks=self.calls,
            wall=lambda: self.wall,
        )

    def tick(self, now: float, sample: dict[str, float | None] | None = None, answered: int = 100) -> None:
        self.watch.feed(sample or {}, now)
        self.healer.step(self.wish, self.watch, answered, now)

    @property
    def serves(self) -> str | None:
        return self.serving.active.version if self.serving.active else None

    @property
    def verdicts(self) -> list[tuple[str, ...]]:
        return [(str(e.action), str(e.verdict), e.evidence) for e in self.journal.recent(99) if e.kind == "Verdict"]

    def other_wish(self, **changes: object) -> Wish:
        return self.wish.model_copy(update=changes)


@pytest.fixture
def bench(tmp_path: Path, artifacts: Artifacts) -> Bench:
    return Bench(tmp_path, artifacts, [SWITCH, RESTART])


def test_a_fault_flips_to_the_backup_and_refuses_what_was_left(bench: Bench) -> None:
    bench.tick(1.0, BAD)
    assert (bench.serves, [r.reason for r in bench.refusals.all()]) == ("v1", ["unsure"])


def test_a_quiet_detector_with_enough_answers_proves_the_heal(bench: Bench) -> None:
    bench.tick(1.0, BAD)
    bench.tick(20.0, GOOD)
    assert bench.verdicts == [("SwitchModel", "Proved", "active=False samples=100")]


def test_too_few_answers_prove_nothing(bench: Bench) -> None:
    bench.tick(1.0, BAD)
    bench.tick(20.0, GOOD, answered=4)
    assert bench.verdicts == []


def test_a_fault_that_stays_climbs_to_the_next_rung(bench: Bench) -> None:
    bench.tick(1.0, BAD)
    bench.tick(20.0, BAD)
    bench.tick(21.0, BAD)
    assert (bench.verdicts[0][:2], bench.restarts) == (("SwitchModel", "Failed"), ["unsure"])


def test_without_a_backup_the_switch_fails_at_once_and_the_ladder_climbs(bench: Bench) -> None:
    bench.serving.stand_by(None)
    bench.tick(1.0, BAD)
    bench.tick(2.0, BAD)
    assert (bench.serves, bench.verdicts, bench.restarts) == ("v2", [("SwitchModel", "Failed", "NoBackup")], ["unsure"])


def test_a_backup_that_is_refused_is_no_backup(bench: Bench) -> None:
    bench.refusals.add(bench.v1.digest, "v1", "slow")
    bench.tick(1.0, BAD)
    assert (bench.serves, bench.verdicts) == ("v2", [("SwitchModel", "Failed", "NoBackup")])


def test_the_node_stops_at_the_first_rung_that_is_not_its_own(tmp_path: Path, artifacts: Artifacts) -> None:
    bench = Bench(tmp_path, artifacts, [SWITCH, REDISTILL, RESTART])
    for now in (1.0, 20.0, 40.0, 60.0):
        bench.tick(now, BAD)
    assert (bench.restarts, bench.healer.stances["unsure"]) == ([], "Hold LadderExhausted")


def test_an_action_waits_for_its_delay(tmp_path: Path, artifacts: Artifacts) -> None:
    bench = Bench(tmp_path, artifacts, [SWITCH])
    bench.wish = bench.other_wish(healing=strategy([SWITCH], delay=5.0))
    bench.tick(1.0, BAD)
    assert bench.serves == "v2"
    bench.tick(6.1, BAD)
    assert bench.serves == "v1"


def test_after_asking_for_a_restart_the_process_leaves_the_proof_to_its_successor(
    tmp_path: Path, artifacts: Artifacts
) -> None:
    bench = Bench(tmp_path, artifacts, [RESTART])
    bench.tick(1.0, BAD)
    bench.tick(20.0, BAD)
    assert bench.verdicts == []
    bench.reopen()
    bench.tick(20.0, GOOD)
    assert bench.verdicts == [("Restart", "Proved", "active=False samples=100")]


def test_a_new_version_that_has_become_active_starts_the_ladder_anew(bench: Bench) -> None:
    bench.tick(1.0, BAD)
    bench.arrive(bench.v3)
    bench.healer.follow(wish(bench.v3, bench.v1, revision=2, rules=(RULE,)), 5.0)
    assert bench.verdicts == [("SwitchModel", "Unproved", "NewAssignment")]
    assert bench.journal.attempts("unsure") == []


def test_a_new_version_that_is_still_on_its_way_changes_nothing(bench: Bench) -> None:
    bench.tick(1.0, BAD)
    bench.healer.follow(wish(bench.v3, bench.v1, revision=2, rules=(RULE,)), 5.0)
    assert (bench.verdicts, len(bench.journal.attempts("unsure"))) == ([], 1)


def test_a_wish_that_adopts_the_fallback_lets_the_proof_go_on(bench: Bench) -> None:
    bench.tick(1.0, BAD)
    bench.healer.follow(wish(bench.v1, revision=2, rules=(RULE,)), 5.0)
    bench.tick(20.0, GOOD)
    assert bench.verdicts == [("SwitchModel", "Proved", "active=False samples=100")]


def test_the_same_version_in_a_new_wish_keeps_the_ladder(bench: Bench) -> None:
    bench.tick(1.0, BAD)
    bench.healer.follow(bench.other_wish(revision=2), 5.0)
    assert len(bench.journal.attempts("unsure")) == 1


def test_a_cleared_version_that_is_active_again_starts_the_ladder_anew(bench: Bench) -> None:
    bench.tick(1.0, BAD)
    bench.refusals.clear({bench.v2.digest: 1})
    bench.arrive(bench.v2)
    bench.healer.follow(bench.other_wish(revision=2, cleared=(bench.v2.digest,)), 5.0)
    assert bench.journal.attempts("unsure") == []


def test_the_cache_is_cleared_and_the_fault_proves_whether_that_helped(tmp_path: Path, artifacts: Artifacts) -> None:
    bench = Bench(tmp_path, artifacts, [CLEAR_CACHE])
    bench.tick(1.0, BAD)
    bench.tick(20.0, GOOD)
    assert (bench.scrubs, bench.verdicts[0][:2]) == (["asked"], ("ClearCache", "Proved"))


def test_a_webhook_is_told_what_happened_where(tmp_path: Path, artifacts: Artifacts) -> None:
    bench = Bench(tmp_path, artifacts, [WEBHOOK])
    bench.tick(1.0, BAD)
    assert bench.calls.sent == [
        (
            HOOK.url,
            {
                "edgemodel": bench.wish.model,
                "namespace": bench.wish.namespace,
                "node": "edge-1",
                "fault": "unsure",
                "severity": "Critical",
                "evidence": "model_confidence_mean 0.3 < 0.7",
                "version": "v2",
                "digest": bench.v2.digest,
                "at": "1970-01-01T00:00:00.000+00:00",
            },
        )
    ]


def test_a_webhook_that_was_not_taken_has_failed_and_the_ladder_climbs(tmp_path: Path, artifacts: Artifacts) -> None:
    bench = Bench(tmp_path, artifacts, [WEBHOOK, SWITCH])
    bench.tick(1.0, BAD)
    bench.calls.refused = {"unsure": "answered with 404"}
    bench.tick(2.0, BAD)
    bench.tick(3.0, BAD)
    assert (bench.verdicts, bench.serves) == ([("Webhook", "Failed", "answered with 404")], "v1")


@pytest.mark.parametrize("action", [RESTART, CLEAR_CACHE, WEBHOOK])
def test_what_may_interrupt_a_node_waits_for_its_turn(tmp_path: Path, artifacts: Artifacts, action: ActionType) -> None:
    bench = Bench(tmp_path, artifacts, [action])
    bench.wish = bench.other_wish(healing=bench.wish.healing.model_copy(update={"turns": 4}))
    bench.wall = next(n * TURN for n in range(4) if seconds_until("edge-1", 4, n * TURN) > 0)
    bench.tick(1.0, BAD)
    assert (bench.journal.attempts("unsure"), bench.healer.stances["unsure"][:10]) == ([], "NotItsTurn")
    bench.wall += seconds_until("edge-1", 4, bench.wall)
    bench.tick(2.0, BAD)
    assert [attempt.action for attempt in bench.journal.attempts("unsure")] == [action]


@pytest.mark.parametrize(("held", "serves"), [(Held.NODE_ACTIONS, "v1"), (Held.EVERYTHING, "v2")])
def test_the_switch_waits_for_nothing_but_a_storm(bench: Bench, held: Held, serves: str) -> None:
    bench.wish = bench.other_wish(healing=bench.wish.healing.model_copy(update={"held": held, "turns": 60}))
    bench.tick(1.0, BAD)
    assert bench.serves == serves


def test_while_too_few_others_serve_a_node_does_not_interrupt_itself(tmp_path: Path, artifacts: Artifacts) -> None:
    bench = Bench(tmp_path, artifacts, [RESTART])
    healing = bench.wish.healing
    bench.wish = bench.other_wish(healing=healing.model_copy(update={"held": Held.NODE_ACTIONS}))
    bench.tick(1.0, BAD)
    assert (bench.restarts, bench.healer.stances["unsure"]) == ([], "TooFewServe")
    bench.wish = bench.other_wish(healing=healing)
    bench.tick(2.0, BAD)
    assert bench.restarts == ["unsure"]


def test_a_ladder_at_its_end_is_told_until_the_fault_is_gone(tmp_path: Path, artifacts: Artifacts) -> None:
    bench = Bench(tmp_path, artifacts, [SWITCH])
    for now in (1.0, 20.0, 21.0):
        bench.tick(now, BAD)
    assert bench.healer.held == {"unsure": "LadderExhausted"}
    bench.tick(22.0, GOOD)
    assert bench.healer.held == {}


def test_what_was_done_in_the_last_hour_is_counted(bench: Bench) -> None:
    for now in (1.0, 20.0, 21.0):
        bench.tick(now, BAD)
    assert [bench.journal.taken_since(now - 3600.0) for now in (21.0, 3610.0, 3630.0)] == [2, 1, 0]


def test_a_version_that_is_cleared_again_starts_the_ladder_anew_again(bench: Bench) -> None:
    for number in (2, 3):
        bench.tick(number * 1000.0, BAD)
        assert (bench.serves, len(bench.journal.attempts("unsure"))) == ("v1", 1)
        cleared = bench.other_wish(cleared=(bench.v2.digest,), cleared_in={bench.v2.digest: number})
        bench.refusals.clear(cleared.clearings)
        bench.arrive(bench.v2)
        bench.healer.follow(cleared, number * 1000.0 + 5)
        assert bench.journal.attempts("unsure") == []


def test_a_refusal_is_lifted_by_a_later_clearing_only(bench: Bench) -> None:
    bench.refusals.clear({bench.v3.digest: 2})
    bench.refusals.add(bench.v3.digest, "v3", "slow")
    bench.refusals.clear({bench.v3.digest: 2})
    assert bench.v3.digest in bench.refusals
    bench.refusals.clear({bench.v3.digest: 3})
    assert bench.v3.digest not in bench.refusals


def test_about_the_cloud_a_node_does_nothing_but_call_a_webhook() -> None:
    rule = RULE.model_copy(update={"metric": "cloud_ratio"})
    wanted = strategy([SWITCH, RESTART, WEBHOOK, CLEAR_CACHE, ActionType.ALERT]).strategy("unsure")
    assert [action.type for action in local_actions(rule, wanted)] == [WEBHOOK]


def test_how_a_restart_ended_is_exported_with_its_time_also_by_the_next_process(bench: Bench) -> None:
    bench.wish = bench.other_wish(healing=strategy([RESTART, SWITCH]))
    bench.tick(1.0, BAD)
    bench.reopen()
    assert bench.journal.judged() == {}
    bench.tick(20.0, BAD)
    bench.tick(21.0, BAD)
    bench.tick(40.0, GOOD)
    bench.reopen()
    last = {e.action: datetime.fromisoformat(e.at).timestamp() for e in bench.journal.recent(99) if e.verdict}
    assert set(last) == {RESTART, SWITCH}
    assert bench.journal.judged() == {("unsure", "Restart", "Failed"): last[RESTART]}, "a switch is seen elsewhere"


def test_a_restart_that_ended_otherwise_later_is_exported_once(bench: Bench) -> None:
    bench.wish = bench.other_wish(healing=strategy([RESTART]))
    bench.tick(1.0, BAD)
    bench.reopen()
    bench.tick(20.0, GOOD)
    bench.tick(21.0, BAD)
    bench.reopen()
    bench.tick(40.0, BAD)
    assert [verdict[:2] for verdict in bench.verdicts] == [("Restart", "Proved"), ("Restart", "Failed")]
    assert list(bench.journal.judged()) == [("unsure", "Restart", "Failed")]


YEAR = 365 * 86_400.0
TODAY = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("jump", [0.0, -TODAY, YEAR], ids=["none", "to 1970", "a year on"])
def test_a_clock_that_jumps_shortens_no_cooldown_and_lengthens_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    bench.wall = TODAY

    class Wall(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Wall":
            return cls.fromtimestamp(bench.wall, tz)

    monkeypatch.setattr(journal_module, "datetime", Wall)
    bench.wish = bench.other_wish(healing=strategy([RESTART]).model_copy(update={"cooldown": 300.0, "max_per_hour": 2}))

    def restarts_at(*moments: float) -> int:
        for now in moments:
            bench.tick(now, BAD)
            bench.reopen()  # the restart: the next process has the journal alone
        return len(bench.restarts)

    assert restarts_at(1.0) == 1
    bench.wall += jump
    bench.tick(20.0, GOOD)
    assert bench.verdicts[-1][:2] == ("Restart", "Proved"), "settled by its own time"
    assert restarts_at(100.0, 290.0) == 1, "it cools down still"
    assert restarts_at(330.0) == 2
    bench.tick(350.0, GOOD)
    bench.wall -= jump
    assert restarts_at(700.0, 3500.0) == 2, "no more in an hour"
    assert restarts_at(3700.0) == 3
