"""Everything that people and the weather may do to a `World`, as rules of a Hypothesis state machine."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from edgemodel.outcome import Gate, Outcome
from edgemodel.verbs import Verb
from edgemodel_operator.api.healing import Approval
from tests.unit.operator.plant import digest, student
from tests.unit.operator.script import Lie
from tests.unit.operator.world import Mishap, World
from tests.unit.operator.world_checks import assert_order_is_irrelevant

VERSIONS = st.sampled_from(["v1", "v2", "v3"])
DIGESTS = st.sampled_from([digest(1), digest(2), digest(3), student(1), student(2)])
FAULTS = st.sampled_from(["low-confidence", "high-latency"])
NODES = st.integers(0, 4)
TOKENS = st.sampled_from(["", "monday", "tuesday"])
ARGUMENTS = st.sampled_from(["", "v1", "v2", "v3", "distilled-1", "next", "all"])
CHILDREN = st.sampled_from(["ConfigMap", "DaemonSet", "Service", "Job", "Pod"])
WAVES = st.sampled_from(
    [
        [],
        [{"nodes": 1, "hold": "20s"}],
        [{"nodes": 1, "hold": "5s"}, {"nodes": "50%", "hold": "5s"}],
        [{"nodes": 1, "hold": "5s", "approve": True}],
    ]
)
REJECTED = Outcome(code="Rejected", gates=(Gate(name="accuracy", want=0.9, got=0.5, passed=False),))
OUTCOMES = st.sampled_from([None, REJECTED, Outcome(code="Accepted", digest=digest(2)), Outcome(code="DatasetUnfit")])

CALM_STEPS = 12
"""Steps (60 s) after the last fault until the operator has caught up."""
QUIET_STEPS = 24
"""Steps without a write after which the world is at rest."""
PATIENCE_STEPS = 400


class Weather(RuleBasedStateMachine):
    """One rule is one step of the machine, and at least one of the world; the world checks itself at each."""

    taken = 0
    """Rules that all machines together have carried out."""

    @initialize(size=st.integers(1, 5), installed=st.booleans())
    def begin(self, size: int, installed: bool) -> None:
        """A plant of some nodes; in half of them v1 was proved."""
        self.world, self.uids, self.ringing = World(size=size), 0, set[tuple[str, str]]()
        if installed:
            self.world.until(lambda w: w.status.last_good == "v1")

    def _node(self, number: int) -> str:
        names = list(self.world.edges)
        return names[number % len(names)]

    # Time

    @rule(steps=st.integers(1, 12))
    def time_passes(self, steps: int) -> None:
        self.world.run(5 * (steps - 1))

    @rule(seconds=st.sampled_from([-3600, -300, -20, 20, 300, 3600]))
    def somebody_sets_the_clock(self, seconds: float) -> None:
        self.world.set_clock(seconds)

    # People

    @rule(version=VERSIONS, backup=st.none() | VERSIONS)
    def another_version_is_wished(self, version: str, backup: str | None) -> None:
        backup = None if backup == version else backup
        self.world.edit(lambda spec: spec.update(version=version, backup=backup))

    @rule(steps=WAVES)
    def the_rollout_is_edited(self, steps: list[object]) -> None:
        self.world.edit(lambda spec: spec["rollout"].update(steps=steps))

    @rule(version=VERSIONS, number=st.integers(1, 5))
    def a_name_gets_another_digest(self, version: str, number: int) -> None:
        self.world.edit(
            lambda spec: next(v for v in spec["versions"] if v["name"] == version).update(digest=digest(number))
        )

    @rule(verb=st.sampled_from(Verb), argument=ARGUMENTS, token=TOKENS)
    def a_person_asks(self, verb: Verb, argument: str, token: str) -> None:
        self.world.annotate(**{verb.value: f"{argument}@{token}"})

    @rule(verb=st.sampled_from([Verb.APPROVE, Verb.REJECT]), token=TOKENS)
    def a_person_answers(self, verb: Verb, token: str) -> None:
        self.world.annotate(**{verb.value: f"@{token}"})

    @rule(approval=st.sampled_from(Approval))
    def another_approval_is_wanted(self, approval: Approval) -> None:
        self.world.edit(lambda spec: spec["healing"].update(approval=approval.value))

    @rule(pause=st.sampled_from(["", None, None]))
    def a_person_pauses(self, pause: str | None) -> None:
        self.world.annotate(pause=pause)

    @rule(kind=CHILDREN)
    def somebody_deletes_children(self, kind: str) -> None:
        for name in [name for k, name in self.world.objects if k == kind]:
            self.world.remove(kind, name)

    @rule()
    def the_edgemodel_is_deleted_and_applied_again(self) -> None:
        self.uids += 1
        self.world.recreate_model(f"{self.uids:08x}-0000")

    # Models, inputs, nodes

    @rule(digest=DIGESTS, fault=FAULTS | st.just(""))
    def a_version_turns_bad_or_good(self, digest: str, fault: str) -> None:
        self.world.script.bad[digest] = fault

    @rule(digest=DIGESTS, broken=st.booleans())
    def an_artifact_is_broken_or_mended(self, digest: str, broken: bool) -> None:
        self.world.script.broken.pop(digest, None)
        if broken:
            self.world.script.broken[digest] = "NotOnnx"

    @rule(fault=FAULTS | st.just(""), robust=st.sets(DIGESTS))
    def the_input_drifts(self, fault: str, robust: set[str]) -> None:
        self.world.script.drift, self.world.script.robust = fault, robust

    @rule(node=NODES, fault=FAULTS | st.just(""))
    def a_node_is_sick_or_well(self, node: int, fault: str) -> None:
        self.world.script.sick[self._node(node)] = fault

    @rule(node=NODES)
    def a_cable_is_pulled_or_plugged(self, node: int) -> None:
        edge = self.world.edges[self._node(node)]
        edge.linked = not edge.linked

    @rule(node=NODES)
    def a_node_is_switched_off_or_on(self, node: int) -> None:
        edge = self.world.edges[self._node(node)]
        edge.power(on=not edge.powered)

    @rule()
    def a_node_joins(self) -> None:
        if len(self.world.edges) < 6:
            self.world.add_node(f"m{len(self.world.edges)}")

    @rule(node=NODES)
    def a_node_leaves(self, node: int) -> None:
        if len(self.world.edges) > 1:
            self.world.remove_node(self._node(node))

    @rule(requests=st.sampled_from([0, 10, 40]), heal_locally=st.booleans())
    def traffic_and_local_healing_change(self, requests: int, heal_locally: bool) -> None:
        self.world.script.requests, self.world.script.heal_locally = requests, heal_locally

    # Signals and Jobs

    @rule(node=NODES, lie=st.none() | st.sampled_from(Lie))
    def a_node_lies_or_stops_lying(self, node: int, lie: Lie | None) -> None:
        self.world.script.lies.pop(self._node(node), None)
        if lie is not None:
            self.world.script.lies[self._node(node)] = lie

    @rule(alive=st.booleans())
    def prometheus_dies_or_comes_back(self, alive: bool) -> None:
        self.world.script.telemetry = alive

    @rule(fault=FAULTS | st.just("disk-full"), node=st.none() | NODES, firing=st.booleans())
    def an_alert_arrives(self, fault: str, node: int | None, firing: bool) -> None:
        name = "" if node is None else self._node(node)
        self.ringing.add((fault, name))
        self.world.alert(fault, name, firing=firing)

    @rule(attempt=st.integers(1, 4), outcome=OUTCOMES, steps=st.integers(1, 6))
    def a_job_will_end_otherwise(self, attempt: int, outcome: Outcome | None, steps: int) -> None:
        self.world.script.outcomes[attempt] = outcome
        self.world.script.job_steps = steps

    # The operator and its API server

    @rule(kind=st.sampled_from(Mishap), after=st.integers(0, 5))
    def a_mishap_befalls_a_write(self, kind: Mishap, after: int) -> None:
        self.world.mishap(kind, after)

    @rule(away=st.sampled_from([True, False, False]))
    def the_api_server_goes_away_or_comes_back(self, away: bool) -> None:
        self.world.api.away = away

    @rule(steps=st.integers(1, 10))
    def the_operator_is_down(self, steps: int) -> None:
        self.world.down = steps

    @rule(lag=st.sampled_from([0, 0, 1, 2, 4]))
    def watches_are_late(self, lag: int) -> None:
        self.world.operator.watches.lag = lag

    # After each rule, and at the end

    def check_invariants(self, *arguments: object, **keywords: object) -> None:
        """Called by Hypothesis after each rule."""
        if hasattr(self, "world"):
            Weather.taken += 1
            self.world.step()
            if Weather.taken % 10 == 0 and (seen := self.world.operator.observe()) is not None:
                assert_order_is_irrelevant(seen)
        super().check_invariants(*arguments, **keywords)

    def teardown(self) -> None:
        """Faults stop: the operator has caught up within 60 s, and in the end everything is at rest."""
        if hasattr(self, "world"):
            calm(self.world, self.ringing)
            self.world.run(5 * CALM_STEPS)
            caught_up(self.world)
            rest(self.world)


def calm(world: World, ringing: set[tuple[str, str]]) -> None:
    """Every fault stops, of models and of machines."""
    script = world.script
    script.bad.clear(), script.broken.clear(), script.sick.clear(), script.lies.clear()
    script.drift, script.telemetry, script.requests = "", True, 10
    world.api.away, world.operator.watches.lag = False, 0
    world.api.mishaps.clear()
    if world.down:
        world.down = 1
    for edge in world.edges.values():
        edge.linked = True
        if not edge.powered:
            edge.power(on=True)
    for fault, node in ringing:
        world.alert(fault, node, firing=False)
    world.annotate(pause=None)


def caught_up(world: World) -> None:
    """The operator has read the spec, and nodes are told what the status says."""
    assert not world.operator.stumbling
    assert world.status.observed_generation == world.model["metadata"]["generation"]
    assert world.wish is not None
    assert world.wish.revision == world.status.wish_revision


def rest(world: World) -> None:
    """Nothing is written any more, and each node serves what it is to serve."""
    quiet, written = 0, world.writes
    for _ in range(PATIENCE_STEPS):
        world.step()
        quiet, written = (quiet + 1 if written == world.writes else 0), world.writes
        if quiet >= QUIET_STEPS:
            break
    assert quiet >= QUIET_STEPS, "something is still written"
    rollout = world.status.rollout
    target = world.status.find_version(rollout.to) if rollout is not None else None
    for edge in world.edges.values():
        canary = rollout is not None and target is not None and edge.name in rollout.nodes
        wanted = target.digest if canary and target is not None else world.status.digest
        serves = edge.active is not None and edge.active.digest == wanted
        assert serves or wanted in edge.refused, f"{edge.name} serves {edge.active}"
