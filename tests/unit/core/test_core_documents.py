"""Documents that cross a process boundary: they survive the way, and name the field when they do not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemodel import bundle, distillation, outcome, wish
from edgemodel.distillation import GateSettings, Order, SampleSource, Source, Student
from edgemodel.faults import Rule
from edgemodel.ladder import ActionType
from edgemodel.outcome import MESSAGE_LIMIT, Gate, Outcome, OutcomeError
from edgemodel.wish import Artifact, Assignment, Healing, LocalAction, LocalStrategy, Sampling, Webhook, Wish, WishError

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
DIGESTS = HEX.map("sha256:{}".format)
TEXTS = st.text(min_size=1, max_size=20)
URIS = st.sampled_from(["oci://registry:5000/m", "https://host/folder", "file:///models/é"])
SECONDS = st.floats(0, 1e6)
ARTIFACTS = st.builds(Artifact, name=TEXTS, uri=URIS, digest=DIGESTS)
ASSIGNMENTS = st.builds(Assignment, active=ARTIFACTS, backup=st.none() | ARTIFACTS)
RULES = st.builds(
    Rule,
    name=st.sampled_from(["slow", "low-confidence"]),
    metric=st.sampled_from(["cpu_percent", "error_ratio"]),
    operator=st.sampled_from([">", "trend_up", "variance"]),
    threshold=st.floats(-1e9, 1e9),
    window=st.integers(3, 1000),
)
HOOKS = st.builds(
    Webhook,
    url=st.sampled_from(["https://plant.example/heal", "http://boxes:8000?box=7"]),
    key_file=TEXTS,
    timeout=st.floats(0.1, 60),
)
ACTIONS = st.builds(LocalAction, type=st.sampled_from(sorted(set(ActionType) - {ActionType.WEBHOOK})), delay=SECONDS)
ACTIONS |= st.builds(LocalAction, type=st.just(ActionType.WEBHOOK), webhook=HOOKS)
STRATEGIES = st.builds(
    LocalStrategy, faults=st.lists(TEXTS, max_size=2).map(tuple), actions=st.lists(ACTIONS, max_size=2).map(tuple)
)
HEALINGS = st.builds(Healing, strategies=st.lists(STRATEGIES, max_size=2).map(tuple), settle=SECONDS)
WISHES = st.builds(
    Wish,
    revision=st.integers(1, 2**53),
    namespace=TEXTS,
    model=TEXTS,
    default=st.none() | ASSIGNMENTS,
    exceptions=st.dictionaries(TEXTS, ASSIGNMENTS, max_size=3),
    refused=st.lists(DIGESTS, max_size=2).map(tuple),
    cleared=st.lists(DIGESTS, max_size=2).map(tuple),
    rules=st.lists(RULES, max_size=2).map(tuple),
    healing=HEALINGS,
    sampling=st.none() | st.builds(Sampling, sink=URIS),
)
DIGEST = "sha256:" + "a" * 64
SMALLEST = {"revision": 1, "namespace": "plant-a", "model": "digits"}


# The wish


@given(WISHES)
def test_a_wish_arrives_as_it_was_sent(sent: Wish) -> None:
    assert wish.parse(sent.dump()) == sent
    assert wish.parse(sent.dump()).dump() == sent.dump()


def test_a_wish_has_camel_case_names_on_the_wire() -> None:
    assert json.loads(Wish(**SMALLEST).dump())["schemaVersion"] == 1


def test_a_field_of_a_newer_operator_is_ignored() -> None:
    assert wish.parse(json.dumps({**SMALLEST, "orbit": {"url": "x"}})) == Wish(**SMALLEST)


def test_a_node_without_an_exception_gets_the_default() -> None:
    one, other = (Assignment(active=Artifact(name=n, uri="oci://r/m", digest=DIGEST)) for n in ("v1", "v2"))
    document = Wish(**SMALLEST, default=one, exceptions={"n2": other})
    assert (document.for_node("n1"), document.for_node("n2")) == (one, other)


def test_the_first_strategy_that_names_the_fault_is_followed() -> None:
    first, second = (LocalStrategy(faults=("slow",), actions=(LocalAction(type=t),)) for t in ("Restart", "Alert"))
    healing = Healing(strategies=(first, second))
    assert healing.strategy("slow") is first
    assert healing.strategy("other") is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "wish"),
        ("[]", "wish"),
        ("{}", "wish.revision"),
        (json.dumps({**SMALLEST, "revision": 0}), "wish.revision"),
        (json.dumps({**SMALLEST, "refused": [DIGEST, "md5:1"]}), "wish.refused[1]"),
        (json.dumps({**SMALLEST, "exceptions": {"n1": {"active": {"name": "v1"}}}}), "wish.exceptions.n1.active.uri"),
        (json.dumps({**SMALLEST, "schemaVersion": 2}), "wish.schemaVersion"),
    ],
)
def test_a_wish_that_does_not_parse_names_the_field(text: str, named: str) -> None:
    with pytest.raises(WishError) as caught:
        wish.parse(text)
    assert any(line.startswith(f"{named}: ") for line in str(caught.value).splitlines())


def test_a_document_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Wish(**SMALLEST).revision = 2  # type: ignore[misc]  # that is the point


# The order


def test_an_order_arrives_as_it_was_sent() -> None:
    source = Source(uri="oci://r/m", digest=DIGEST)
    samples = SampleSource(sink="oci://r/s", tags=("samples-1",))
    order = Order(name="distilled-1", teacher=source, dataset=source, samples=samples, push="oci://r/m")
    assert distillation.parse(order.dump()) == order
    assert (order.student, order.gates) == (Student(), GateSettings())


@pytest.mark.parametrize(
    ("field", "value"), [("alpha", 1.5), ("temperature", 0), ("epochs", 0), ("push", "ftp://x"), ("name", "")]
)
def test_an_order_that_cannot_be_carried_out_names_the_field(field: str, value: object) -> None:
    source = {"uri": "oci://r/m", "digest": DIGEST}
    order = {"name": "d", "teacher": source, "dataset": source, "push": "oci://r/m", field: value}
    with pytest.raises(distillation.OrderError, match=rf"^order\.{field}: "):
        distillation.parse(json.dumps(order))


# The outcome


def test_a_result_arrives_as_it_was_sent() -> None:
    gate = Gate(name="min_accuracy", want=0.9, got=0.95, passed=True)
    result = Outcome(code="Accepted", digest=DIGEST, gates=(gate,), scores={"accuracy": 0.95}, edge_samples=400)
    assert outcome.parse(result.dump()) == result
    assert len(result.dump()) < MESSAGE_LIMIT


@pytest.mark.parametrize(
    ("result", "accepted"),
    [
        (Outcome(code="Accepted", digest=DIGEST), True),
        (Outcome(code="Accepted"), False),
        (Outcome(code="Rejected", digest=DIGEST), False),
        (Outcome(code="TeacherUnreadable"), False),
    ],
)
def test_only_an_accepted_candidate_with_a_digest_may_ship(result: Outcome, accepted: bool) -> None:
    assert result.accepted is accepted


@pytest.mark.parametrize("text", ["", "Killed", "{}", '{"code": "Accepted", "digest": "latest"}'])
def test_a_message_that_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(OutcomeError, match=r"^result"):
        outcome.parse(text)


# Tags of samples


@given(TEXTS, TEXTS, TEXTS)
def test_every_node_has_a_legal_tag(namespace: str, model: str, node: str) -> None:
    tag = bundle.sample_tag(namespace, model, node)
    assert tag.isascii()
    assert len(tag) <= 128
    assert tag == bundle.sample_tag(namespace, model, node)
