"""A process that has imported the operator and forks one at each request: real processes, without their start-up.

Reads one JSON object per line, {"environment": {…}, "log": path}; answers with the new process's number.
"""

import ctypes
import json
import os
import signal
import sys

from kubernetes.aio.config import kube_config

PR_SET_PDEATHSIG = 1
"""linux/prctl.h: which signal a process gets when its parent ends."""


def main() -> None:
    """Fork until the input ends."""
    from edgemodel_operator.__main__ import main as run  # noqa: PLC0415 (this is the slow part)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order["environment"], order["log"])
            os._exit(run())
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


def _become(environment: dict[str, str], log: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.update(environment)
    # Read from the environment when it was imported, once for all.
    kube_config.KUBE_CONFIG_DEFAULT_LOCATION = environment["KUBECONFIG"]
    sys.argv = ["edgemodel-operator"]
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


if __name__ == "__main__":
    main()
