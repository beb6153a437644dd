"""What ends kopf does not end the operator: it starts anew by itself, and is not ready until it sees everything."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from lab.control_plane import ControlPlane
from tests.apiserver.fault_proxy import FaultProxy, Seen
from tests.apiserver.nursery import Nursery
from tests.apiserver.operator_process import Operator, wait_for
from tests.apiserver.plain_api import administrator
from tests.apiserver.space import Space, edgemodel, installed

pytestmark = pytest.mark.apiserver


@dataclass
class Refusing(FaultProxy):
    """Answers lists and watches of some kinds with codes, one after the other."""

    codes: dict[tuple[str, bool], list[int]] = field(default_factory=dict)
    """By kind, and whether it is a watch."""

    async def _handle(self, session: aiohttp.ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        watch = request.query.get("watch") == "true"
        codes = self.codes.get((request.path.rsplit("/", maxsplit=1)[-1], watch))
        if not codes:
            return await super()._handle(session, request)
        code = codes.pop(0)
        self.hit.append(Seen(request.method, request.path_qs, watch, code))
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "injected"}
        return web.json_response(status, status=code)


@contextmanager
def operator(proxy: FaultProxy, space: Space, operators: Nursery, folder: Path) -> Iterator[Operator]:
    """An operator of this namespace that sees the API server through `proxy`."""
    found = Operator(operators, folder / "kubeconfig", folder, space.name)
    with proxy.listening():
        config = {"clusters": [{"name": "x", "cluster": {"server": proxy.url}}], "current-context": "x"}
        config |= {"users": [{"name": "x", "user": {"token": "x"}}]}
        config |= {"contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}
        found.kubeconfig.write_text(json.dumps(config))
        found.start()
        try:
            yield found
        finally:
            found.kill()


def ready(operator: Operator) -> int:
    """The readiness probe's answer; 0: none."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{operator.metrics_port}/readyz", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_answers_that_kopf_does_not_expect_end_nothing(
    api_server: ControlPlane, space: Space, operators: Nursery, tmp_path: Path
) -> None:
    codes = {("edgemodels", False): [410], ("pods", True): [415]}
    proxy = Refusing(api_server.server, administrator(api_server), codes=codes)
    with operator(proxy, space, operators, tmp_path) as found:
        space.apply(edgemodel())
        wait_for("children", lambda: installed(space), 90, say=lambda: found.log[-3000:])
        assert {seen.status for seen in proxy.hit} == {410, 415}
        assert "the watches have ended; starting anew" in found.log
        assert ready(found) == 200


def test_an_operator_without_a_permission_is_not_ready_and_says_which_it_lacks(
    api_server: ControlPlane, space: Space, operators: Nursery, tmp_path: Path
) -> None:
    proxy = Refusing(api_server.server, administrator(api_server), codes={("nodes", False): [403] * 3})
    with operator(proxy, space, operators, tmp_path) as found:
        wait_for("the first refusal", lambda: "APIForbiddenError" in found.log, say=lambda: found.log[-3000:])
        assert "/api/v1/nodes" in found.log
        assert ready(found) == 503
        wait_for("the permission is there", lambda: ready(found) == 200)
