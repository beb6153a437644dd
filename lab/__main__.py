"""`python -m lab`: a disposable Kubernetes cluster on this machine, for the demo and the tests."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable

import lab
from lab import build, choice, container_images, packages
from lab.cluster import Cluster
from lab.errors import LabError
from lab.home import Home
from lab.progress import Progress

Command = Callable[[argparse.Namespace], None]


def main() -> int:
    """Run one command; 1 and a line on standard error where it cannot be done."""
    arguments = parser().parse_args()
    try:
        arguments.act(arguments)
    except LabError as error:
        _complain(f"lab: {error}")
        return 1
    except KeyboardInterrupt:
        _complain("lab: interrupted; `python -m lab up` or `down` cleans up")
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, text: str, act: Command) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(act=act)
        return command

    add("up", "make the cluster run; one that runs already is found", _up)
    down = add("down", "remove everything that runs; what was built stays", _down)
    down.add_argument("--all", action="store_true", help="remove what was built, and the images, as well")
    add(
        "build",
        "install packages and build the commands that tests and the self-built cluster need, without starting anything",
        _build,
    )
    status = add("status", "what runs, and where", _status)
    status.add_argument("-o", "--output", choices=["text", "json"], default="text")
    for name, text, act in (
        ("cut", "pull a node's network cable", lambda a: lab.cut(a.node)),
        ("restore", "plug a node's network cable in again", lambda a: lab.restore(a.node)),
        ("power-off", "cut a node's power; its disk stays", lambda a: lab.power_off(a.node)),
        ("power-on", "start a node again", lambda a: lab.power_on(a.node)),
    ):
        add(name, text, act).add_argument("node", metavar="NODE", help="a node, as `status` names it")
    build = add("images", "build and push the project's images that changed; prints their references", _images)
    build.add_argument(
        "names", nargs="*", metavar="NAME", help=f"some of {', '.join(container_images.IMAGES)} (default: all)"
    )
    run = add("exec", "run a command in a node's network: exec NODE -- COMMAND ...", _exec)
    run.add_argument("node", metavar="NODE", help="a node, as `status` names it")
    run.add_argument("command", nargs=argparse.REMAINDER)
    add("env", 'print shell lines that set KUBECONFIG and PATH: eval "$(python -m lab env)"', _env)
    return top


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _up(_: argparse.Namespace) -> None:
    progress = Progress(_say)
    running = lab.up(_say)
    progress.say(f"up: export KUBECONFIG={running.kubeconfig}")


def _down(arguments: argparse.Namespace) -> None:
    lab.down(_say, everything=arguments.all)


def _build(_: argparse.Namespace) -> None:
    home, progress = Home.default(), Progress(_say)
    if choice.kind(home):
        build.prepare(home, progress, packages.FOR_TESTS)
    else:
        Cluster(home).prepare(progress)


def _status(arguments: argparse.Namespace) -> None:
    status = lab.driver().status()
    if arguments.output == "json":
        _say(json.dumps(status, indent=2))
        return
    for name, value in status.items():
        if isinstance(value, dict):
            _say(f"{name}:")
            for key, detail in value.items():
                _say(f"  {key}: {detail}")
        else:
            _say(f"{name}: {value}")


def _images(arguments: argparse.Namespace) -> None:
    references = lab.images(arguments.names, _complain)
    for name, reference in references.items():
        _say(f"{name} {reference}")


def _exec(arguments: argparse.Namespace) -> None:
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        raise LabError("name the command: python -m lab exec NODE -- COMMAND ...")
    argv = lab.driver().on_node(arguments.node, command)
    os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted


def _env(_: argparse.Namespace) -> None:
    home = Home.default()
    _say(f"export KUBECONFIG={home.kubeconfig}\nexport PATH={home.bin}:$PATH")


if __name__ == "__main__":
    sys.exit(main())
