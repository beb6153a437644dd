"""``edgemodel rollback`` and the other verbs: ask by annotation, wait for the operator's answer, print it."""

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from edgemodel import verbs
from edgemodel.verbs import Asked, Verb
from edgemodel_cli.cluster_options import Context, Kubeconfig, Name, Namespace, Timeout, Version, connect
from edgemodel_cli.errors import BadInput, Refused, Unanswered
from edgemodel_cli.seen import Seen

if TYPE_CHECKING:
    from edgemodel_cli.cluster import Cluster

POLL = 0.25
"""Seconds between two looks for the answer."""
PATIENCE = 30.0

T = TypeVar("T")


def clear_quarantine(  # noqa: PLR0913, PLR0917 - a command's options
    name: Name,
    version: Version,
    namespace: Namespace = None,
    timeout: Timeout = PATIENCE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Let a version serve again that failed; where spec.version names it, it is rolled out anew.

    Example: kubectl edgemodel clear-quarantine digits v2
    """
    _ask(connect(kubeconfig, context, namespace), name, Verb.CLEAR_QUARANTINE, version, timeout)


def rollback(  # noqa: PLR0913, PLR0917 - a command's options
    name: Name,
    version: Version,
    namespace: Namespace = None,
    timeout: Timeout = PATIENCE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Serve another version on every node at once; ends the rollout under way and blames nobody.

    Example: kubectl edgemodel rollback digits v1
    """
    _ask(connect(kubeconfig, context, namespace), name, Verb.ROLLBACK_TO, version, timeout)


def redistill(
    name: Name,
    namespace: Namespace = None,
    timeout: Timeout = PATIENCE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Train a successor now, as spec.distillation says.

    Example: kubectl edgemodel redistill digits
    """
    _ask(connect(kubeconfig, context, namespace), name, Verb.REDISTILL, "", timeout)


def pause(  # noqa: PLR0913, PLR0917 - a command's options
    name: Name,
    namespace: Namespace = None,
    reason: Annotated[str, typer.Option("--reason", help="For other people; kept in the annotation.")] = "true",
    timeout: Timeout = PATIENCE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Keep the operator from deciding anything; nodes still heal themselves.

    Example: kubectl edgemodel pause digits --reason "line 3 is being rebuilt"
    """
    if not verbs.paused({verbs.PAUSE: reason}):
        raise BadInput(f"--reason {reason}: this would not pause")
    cluster = connect(kubeconfig, context, namespace)
    cluster.annotate(name, {verbs.PAUSE: reason})
    _wait(cluster, name, lambda model: model.paused or None, timeout)
    typer.echo(f"{name} is paused: nothing is decided; nodes still heal themselves")


def resume(
    name: Name,
    namespace: Namespace = None,
    timeout: Timeout = PATIENCE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Let the operator decide again.

    Example: kubectl edgemodel resume digits
    """
    cluster = connect(kubeconfig, context, namespace)
    cluster.annotate(name, {verbs.PAUSE: None})
    _wait(cluster, name, lambda model: not model.paused or None, timeout)
    typer.echo(f"{name} is not paused")


def _ask(cluster: "Cluster", name: str, verb: Verb, argument: str, timeout: float) -> None:
    wanted = Asked(verb, argument, secrets.token_hex(4))
    if "@" in argument or len(argument) > verbs.LENGTH:
        raise BadInput(f"{argument}: not the name of a version")
    cluster.annotate(name, {verbs.annotation(verb): wanted.value})
    done, message = _wait(cluster, name, lambda model: model.answer(wanted), timeout)
    if not done:
        raise Refused(f"{name}: {message}")
    typer.echo(message)


def _wait(cluster: "Cluster", name: str, look: Callable[[Seen], T | None], timeout: float) -> T:
    deadline = time.monotonic() + timeout
    while True:
        model = Seen(cluster.read(name))
        found = look(model)
        if found is not None:
            return found
        if time.monotonic() >= deadline:
            why = "it is paused, and answers when it is resumed" if model.paused else "see that the operator runs"
            raise Unanswered(f"{name}: asked, and no answer within {timeout:g} s: {why}")
        time.sleep(POLL)
