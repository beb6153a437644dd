"""EdgeModels on a cluster: the only code here that speaks to an API server."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from kubernetes import client, config
from urllib3.exceptions import HTTPError

from edgemodel_cli.errors import Forbidden, NoCluster, NotFound, Refused

GROUP, VERSION, PLURAL = "edgemodel.dev", "v1alpha1", "edgemodels"
TIMEOUT = (5, 20)
"""Seconds to connect, and to read."""

Body = dict[str, Any]


class Cluster:
    """One cluster and namespace, as a kubeconfig names them."""

    def __init__(self, kubeconfig: Path | None, context: str | None, namespace: str | None) -> None:
        """Read the kubeconfig; None: kubectl's own, its present context, and that context's namespace.

        Raises:
            NoCluster: there is none, or it has no such context.
        """
        file = None if kubeconfig is None else str(kubeconfig)
        try:
            contexts, active = config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]  # has no types
            chosen = next((c for c in contexts if c["name"] == context), active) if context else active
            api = config.new_client_from_config(file, context)  # type: ignore[no-untyped-call]  # has no types
            self._api: Any = client.CustomObjectsApi(api)  # its answers are typed as object
        except (config.ConfigException, OSError, TypeError) as error:
            raise NoCluster(f"no cluster: {' '.join(str(error).split())}") from error
        self.namespace: str = namespace or chosen["context"].get("namespace") or "default"

    def read(self, name: str) -> Body:
        """One EdgeModel.

        Raises:
            ClusterError: see `errors`.
        """
        with _translated(f"edgemodel {self.namespace}/{name}"):
            body = self._api.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, PLURAL, name, _request_timeout=TIMEOUT
            )
        return _lean(body)

    def read_all(self, *, everywhere: bool = False) -> list[Body]:
        """The EdgeModels of the namespace, or of all, by name.

        Raises:
            ClusterError: see `errors`.
        """
        with _translated("edgemodels"):
            if everywhere:
                found = self._api.list_cluster_custom_object(GROUP, VERSION, PLURAL, _request_timeout=TIMEOUT)
            else:
                found = self._api.list_namespaced_custom_object(
                    GROUP, VERSION, self.namespace, PLURAL, _request_timeout=TIMEOUT
                )
        return sorted(map(_lean, found["items"]), key=lambda b: (b["metadata"]["namespace"], b["metadata"]["name"]))

    def annotate(self, name: str, annotations: Mapping[str, str | None]) -> Body:
        """Set annotations of one EdgeModel (None: remove) and return it.

        Raises:
            ClusterError: see `errors`.
        """
        patch = {"metadata": {"annotations": dict(annotations)}}
        with _translated(f"edgemodel {self.namespace}/{name}"):
            body = self._api.patch_namespaced_custom_object(
                GROUP,
                VERSION,
                self.namespace,
                PLURAL,
                name,
                patch,
                _content_type="application/merge-patch+json",
                _request_timeout=TIMEOUT,
            )
        return _lean(body)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except client.ApiException as error:
        raise _refusal(what, error.status, _message(error)) from error
    except (HTTPError, OSError) as error:
        raise NoCluster(f"the API server does not answer: {str(error)[:200]}") from error


def _refusal(what: str, status: int, message: str) -> NotFound | Forbidden | Refused:
    match status:
        case HTTPStatus.NOT_FOUND if PLURAL in message:
            return NotFound(f"{what}: not found")
        case HTTPStatus.NOT_FOUND:
            return NotFound("this cluster has no EdgeModels: is the operator's chart installed?")
        case HTTPStatus.UNAUTHORIZED:
            return Forbidden(f"{what}: the API server does not know you; log in again")
        case HTTPStatus.FORBIDDEN:
            return Forbidden(f"{what}: {message}")
        case _:
            return Refused(f"{what}: the API server says {status}: {message}")


def _message(error: Any) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)


def _lean(body: Body) -> Body:
    body["metadata"].pop("managedFields", None)
    return body
