"""``edgemodel rollback`` and the other verbs: ask by annotation, wait for the operator's answer, print it."""

import inspect
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edgemodel import verbs
from edgemodel.verbs import Asked, Verb
from edgemodel_cli.cluster_options import Format, Name, Subject, Version, on_cluster, option, with_parameters
from edgemodel_cli.errors import BadInput, Refused, Unanswered
from edgemodel_cli.options import print_json
from edgemodel_cli.seen import Seen

if TYPE_CHECKING:
    from edgemodel_cli.cluster import Cluster

PATIENCE = 30.0
_POSITIONAL = Parameter.POSITIONAL_OR_KEYWORD

_TIMEOUT = Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait for the operator's answer.")]
_NO_WAIT = Annotated[bool, typer.Option("--no-wait", help="Ask, and do not wait for the answer.")]
_HOW = (
    option("timeout", _TIMEOUT, PATIENCE),
    option("no_wait", _NO_WAIT, default=False),
    option("output", Format, "table"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the operator said."""

    result: Literal["Done", "Refused", "Asked"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: the annotations that ask it, and how the answer is found."""

    verb: str
    annotations: Mapping[str, str | None]
    find: Callable[[Seen], Answer | None]
    argument: str = ""
    token: str = ""


def _asks(command: Callable[..., Question]) -> Callable[..., None]:
    """Make a command of what says what is asked."""

    def run(cluster: "Cluster", *, name: str, timeout: float, no_wait: bool, output: str, **arguments: Any) -> None:
        question = command(**arguments)
        cluster.annotate(name, question.annotations)
        answer = Answer("Asked", f"asked; the answer will be in: edgemodel history {name} -n {cluster.namespace}")
        if not no_wait:
            answer = _wait(cluster, name, question, timeout)
        if output == "json":
            _print_json(cluster, name, question, answer)
        if answer.result == "Refused":
            raise Refused(f"{name}: {answer.message}")
        if output == "table":
            typer.echo(answer.message)

    first = [Parameter("cluster", _POSITIONAL), Parameter("name", _POSITIONAL, annotation=Name)]
    return on_cluster(with_parameters(run, command, [*first, *inspect.signature(command).parameters.values(), *_HOW]))


@_asks
def clear_quarantine(version: Version) -> Question:
    """Let a version serve again that failed; where spec.version names it, it is rolled out anew.

    Example: kubectl edgemodel clear-quarantine digits v2
    """
    return _question(Verb.CLEAR_QUARANTINE, _checked(version))


@_asks
def rollback(version: Version) -> Question:
    """Serve another version on every node at once; ends the rollout under way and blames nobody.

    Example: kubectl edgemodel rollback digits v1
    """
    return _question(Verb.ROLLBACK_TO, _checked(version))


@_asks
def promote(
    everywhere: Annotated[
        bool, typer.Option("--all", help="To every node at once, not only to the next step's.")
    ] = False,
) -> Question:
    """Send the rollout under way to its next step now; its hold or gate is over.

    Example: kubectl edgemodel promote digits
    """
    return _question(Verb.PROMOTE, "all" if everywhere else "next")


@_asks
def approve(subject: Subject = "") -> Question:
    """Say yes to what waits for a person; edgemodel status names it.

    Example: kubectl edgemodel approve digits
    """
    return _question(Verb.APPROVE, _checked(subject))


@_asks
def reject(subject: Subject = "") -> Question:
    """Say no to what waits for a person: it is not done, and not asked again.

    Example: kubectl edgemodel reject digits distilled-1
    """
    return _question(Verb.REJECT, _checked(subject))


@_asks
def redistill() -> Question:
    """Train a successor now, as spec.distillation says.

    Example: kubectl edgemodel redistill digits
    """
    return _question(Verb.REDISTILL, "")


@_asks
def pause(
    reason: Annotated[str, typer.Option("--reason", help="For other people; kept in the annotation.")] = "true",
) -> Question:
    """Keep the operator from deciding anything; nodes still heal themselves.

    Example: kubectl edgemodel pause digits --reason "line 3 is being rebuilt"
    """
    if not verbs.paused({verbs.PAUSE: reason}):
        raise BadInput(f"--reason {reason}: this would not pause")
    said = Answer("Done", "paused: nothing is decided; nodes still heal themselves")
    return Question(verb="pause", annotations={verbs.PAUSE: reason}, find=lambda model: said if model.paused else None)


@_asks
def resume() -> Question:
    """Let the operator decide again.

    Example: kubectl edgemodel resume digits
    """
    said = Answer("Done", "not paused")
    return Question(verb="resume", annotations={verbs.PAUSE: None}, find=lambda model: None if model.paused else said)


def _question(verb: Verb, argument: str) -> Question:
    wanted = Asked(verb, argument, secrets.token_hex(4))

    def find(model: Seen) -> Answer | None:
        answer = model.answer(wanted)
        return None if answer is None else Answer("Done" if answer[0] else "Refused", answer[1])

    annotations = {verbs.annotation(verb): wanted.value}
    return Question(verb=verb.value, annotations=annotations, find=find, argument=argument, token=wanted.token)


def _checked(argument: str) -> str:
    if "@" in argument or len(argument) > verbs.LENGTH:
        raise BadInput(f"{argument}: want a name without @, of at most {verbs.LENGTH} characters")
    return argument


def _wait(cluster: "Cluster", name: str, question: Question, timeout: float) -> Answer:
    paused = False
    for bodies in cluster.follow(name, seconds=timeout):
        for model in map(Seen, bodies):
            answer, paused = question.find(model), model.paused
            if answer is not None:
                return answer
    why = "it is paused, and answers when it is resumed" if paused else "see that the operator runs"
    advice = f"edgemodel resume {name}" if paused else f"edgemodel doctor {name}"
    raise Unanswered(f"{name}: asked, and no answer within {timeout:g} s: {why}: {advice} -n {cluster.namespace}")


def _print_json(cluster: "Cluster", name: str, question: Question, answer: Answer) -> None:
    document = {"namespace": cluster.namespace, "name": name, "verb": question.verb, "argument": question.argument}
    print_json(document | {"token": question.token, "result": answer.result, "message": answer.message})
