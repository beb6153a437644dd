"""The API server, spoken to through the kubernetes package's asyncio client; its errors become ours here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.exceptions import ApiException

from edgemodel_operator.api.resource import GROUP, PLURAL, VERSION
from edgemodel_operator.errors import ClusterError, Conflict, Forbidden, Invalid, Unavailable
from edgemodel_operator.model.naming import MANAGER

TIMEOUT = 10.0
"""Seconds for any one call."""

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """Where a kind lives in the API."""

    prefix: str
    plural: str

    def path(self, namespace: str, name: str = "") -> str:
        """Path of one object, or of the collection where `name` is empty."""
        collection = f"{self.prefix}/namespaces/{namespace}/{self.plural}"
        return f"{collection}/{name}" if name else collection


RESOURCES: Mapping[str, Resource] = {
    "EdgeModel": Resource(f"/apis/{GROUP}/{VERSION}", PLURAL),
    "ConfigMap": Resource("/api/v1", "configmaps"),
    "Service": Resource("/api/v1", "services"),
    "Pod": Resource("/api/v1", "pods"),
    "DaemonSet": Resource("/apis/apps/v1", "daemonsets"),
    "Deployment": Resource("/apis/apps/v1", "deployments"),
    "Job": Resource("/apis/batch/v1", "jobs"),
    "PrometheusRule": Resource("/apis/monitoring.coreos.com/v1", "prometheusrules"),
    "Event": Resource("/apis/events.k8s.io/v1", "events"),
}


class Cluster:
    """Writes to the API server. Use as an async context manager."""

    def __init__(self) -> None:
        self._api: ApiClient | None = None

    async def __aenter__(self) -> Self:
        try:
            config.load_incluster_config()  # type: ignore[no-untyped-call]  # the package is not typed
        except config.ConfigException:
            await config.load_kube_config()  # type: ignore[no-untyped-call]  # the package is not typed
        configuration = Configuration.get_default_copy()
        # Else each call asks a thread for proxies and logins in the environment, of which the watches take none either.
        configuration.client_session_kwargs = {"trust_env": False}
        self._api = ApiClient(configuration)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._api is not None:
            await self._api.close()  # type: ignore[no-untyped-call]  # the package is not typed

    async def apply(self, body: Body) -> Body:
        """Create or update `body` by server-side apply as our field manager, and return what is there now.

        Raises:
            Conflict, Invalid: among others where `body` has a uid, and what is there another one, or nothing is there.
        """
        path = RESOURCES[body["kind"]].path(body["metadata"]["namespace"], body["metadata"]["name"])
        query = {"fieldManager": MANAGER, "force": "true"}
        return await self._call("PATCH", path, body, content="application/apply-patch+yaml", query=query)

    async def read(self, kind: str, namespace: str, name: str) -> Body | None:
        """One object as it is now, or None where there is none."""
        return await self._call("GET", RESOURCES[kind].path(namespace, name), None, missing_ok=True) or None

    async def create(self, body: Body) -> Body:
        """Create `body`.

        Raises:
            Conflict: an object of that name is there already.
        """
        path = RESOURCES[body["kind"]].path(body["metadata"]["namespace"])
        return await self._call("POST", path, body, query={"fieldManager": MANAGER})

    async def annotate(self, kind: str, namespace: str, name: str, annotations: Mapping[str, str]) -> Body:
        """Merge annotations into one object."""
        body = {"metadata": {"annotations": dict(annotations)}}
        return await self._call("PATCH", RESOURCES[kind].path(namespace, name), body)

    async def own(self, kind: str, namespace: str, name: str, version: str, owners: list[Body]) -> None:
        """Replace the owners of an object as it was at resource version `version`.

        Raises:
            Conflict: the object has changed since.
        """
        body = {"metadata": {"resourceVersion": version, "ownerReferences": owners}}
        await self._call("PATCH", RESOURCES[kind].path(namespace, name), body, query={"fieldManager": MANAGER})

    async def write_status(self, namespace: str, name: str, version: str, status: Body) -> Body:
        """Replace the status of an EdgeModel as it was at resource version `version`.

        Raises:
            Conflict: the object has changed since.
        """
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "EdgeModel",
            "metadata": {"namespace": namespace, "name": name, "resourceVersion": version},
            "status": status,
        }
        return await self._call("PUT", RESOURCES["EdgeModel"].path(namespace, name) + "/status", body)

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete one object and, in the background, what it owns; one that is gone is as good."""
        body = {"propagationPolicy": "Background"}
        await self._call("DELETE", RESOURCES[kind].path(namespace, name), body, missing_ok=True)

    async def _call(  # noqa: PLR0913 (one place for all verbs)
        self,
        method: str,
        path: str,
        body: object,
        *,
        content: str = "application/merge-patch+json",
        query: Mapping[str, str] | None = None,
        missing_ok: bool = False,
    ) -> Body:
        if self._api is None:
            raise ClusterError("the cluster client is used outside its context")
        headers = {"Accept": "application/json", "Content-Type": content if method == "PATCH" else "application/json"}
        request = await self._api.param_serialize(
            method=method,
            resource_path=path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = await self._api.call_api(*request, _request_timeout=TIMEOUT)
            data = await response.read()  # type: ignore[no-untyped-call]  # the package is not typed
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{method} {path}: no answer: {error!r}") from error
        except ApiException as error:
            raise _translate(error.status or 0, f"{method} {path}: {error.reason}") from error
        if response.status == 404 and missing_ok:  # noqa: PLR2004 (HTTP status)
            return {}
        if response.status >= 400:  # noqa: PLR2004 (HTTP status)
            raise _translate(response.status, f"{method} {path}: {_message(data)}")
        parsed: Body = json.loads(data)
        return parsed


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:200].decode(errors="replace")


def _translate(status: int, message: str) -> ClusterError:
    match status:
        case 409:
            return Conflict(message)
        case 401 | 403:
            return Forbidden(message)
        case 400 | 422:
            return Invalid(message)
        case 408 | 429 | 500 | 502 | 503 | 504:
            return Unavailable(message)
        case _:
            return ClusterError(f"{message} (HTTP {status})")
