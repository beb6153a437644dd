"""Copies of what is written at a change, in a namespace that no operator looks after, and the raw loop over them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.home import REPOSITORY
from tests.apiserver.plain_api import Body, PlainApi
from tests.bench.operator.fleet import CONFIG_MAP, EDGEMODEL, POD, Fleet
from tests.bench.operator.raw import NAMESPACE


@dataclass
class RawLoop:
    """`raw.py` in a process of its own."""

    process: "subprocess.Popen[str]"

    def run(self, connections: int, twins: list[Body] | None = None) -> float:
        """Seconds for all writes; `twins` tells what they are, once."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = {"connections": connections} | ({} if twins is None else {"twins": twins})
        self.process.stdin.write(f"{json.dumps(order)}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the raw loop has ended; it said why on standard error")
        return float(line)


@contextmanager
def raw_loop(kubeconfig: Path) -> Iterator[RawLoop]:
    """Ready to run, within the block."""
    command = ["setpriv", "--pdeathsig=KILL", sys.executable, "-m", "tests.bench.operator.raw"]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=REPOSITORY) as process:
        try:
            yield RawLoop(process)
        finally:
            process.kill()


def make_twins(api: PlainApi, fleet: Fleet) -> list[Body]:
    """Make them, and say of each what `raw.Twin` wants to know."""
    api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    found = []
    for model in fleet.models.values():
        seen = {
            resource: api.get(resource.path(fleet.namespace, name)) or {}
            for resource, name in ((EDGEMODEL, model.name), (CONFIG_MAP, f"{model.name}-wish"), (POD, model.pod))
        }
        copies = {resource: _copy(body) for resource, body in seen.items()}
        for resource, body in copies.items():
            api.create(resource.path(NAMESPACE), body)
        twin = api.get(EDGEMODEL.path(NAMESPACE, model.name)) or {}
        status, version = seen[EDGEMODEL]["status"], twin["metadata"]["resourceVersion"]
        wish = copies[CONFIG_MAP]
        found.append({"name": model.name, "pod": model.pod, "version": version, "status": status, "wish": wish})
    return found


def _copy(body: Body) -> Body:
    """As it would be applied in the other namespace."""
    metadata = {key: body["metadata"][key] for key in ("name", "labels", "annotations") if key in body["metadata"]}
    kept = {key: value for key, value in body.items() if key not in {"metadata", "status"}}
    return {**kept, "metadata": metadata | {"namespace": NAMESPACE}}
