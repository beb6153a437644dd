"""A process that has imported all programs and forks one at each request: real processes, without their start-up.

Reads one JSON object per line: an order to start a program is answered with the new process's number,
{"wait": number} with its exit status once it has ended.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from kubernetes.aio.config import kube_config

PR_SET_PDEATHSIG = 1
"""linux/prctl.h: which signal a process gets when its parent ends."""


def main() -> None:
    """Fork until the input ends."""
    from edgemodel_cli.__main__ import main as command  # noqa: PLC0415 (this is the slow part)
    from edgemodel_operator.__main__ import main as operator  # noqa: PLC0415 (this is the slow part)

    programs: Mapping[str, Callable[[], int | None]] = {"edgemodel-operator": operator, "edgemodel": command}
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        elif (answer := os.fork()) == 0:
            _become(order)
            os._exit(_run(programs[order["arguments"][0]]))
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _become(order: Mapping[str, Any]) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.update(order["environment"])
    # Read from the environment when it was imported, once for all.
    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = os.environ.get("KUBECONFIG", "")
    sys.argv = order["arguments"]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in ((1, order["out"]), (2, order["err"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)


def _run(program: Callable[[], int | None]) -> int:
    """Its exit status, as Python would end with it."""
    try:
        status = program() or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    return status


if __name__ == "__main__":
    main()
