"""EdgeModels on a cluster: read, followed, annotated."""

import difflib
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from edgemodel_cli.api_server import ApiServer, Body
from edgemodel_cli.errors import ClusterError, NotFound, UnknownKind

API = "/apis/edgemodel.dev/v1alpha1"
KIND = "edgemodels"
WATCH = 240.0
"""Seconds after which a watch is begun anew."""
PAUSE = 1.0
"""Seconds between two watches, so that a server that ends each at once is not pressed."""


class Cluster:
    """One cluster and namespace, as a kubeconfig names them."""

    def __init__(
        self, kubeconfig: Path | None, context: str | None, namespace: str | None, *, patience: float = 20.0
    ) -> None:
        """Read the kubeconfig; None: kubectl's own, its present context, and that context's namespace.

        `patience` is how many seconds an answer may take.

        Raises:
            NoCluster: there is none, or it has no such context.
        """
        self.server = ApiServer(kubeconfig, context, patience)
        self.namespace = namespace or self.server.namespace

    def read(self, name: str) -> Body:
        """One EdgeModel.

        Raises:
            ClusterError: see `errors`; NotFound names what is called nearly the same.
        """
        with self._named(name) as (path, what):
            return _lean(self.server.get(path, what))

    def read_all(self, *, everywhere: bool = False) -> list[Body]:
        """The EdgeModels of the namespace, or of all, by name.

        Raises:
            ClusterError: see `errors`.
        """
        return _sorted(self.server.get(self._path(everywhere=everywhere), KIND)["items"])

    def follow(
        self, name: str | None = None, *, everywhere: bool = False, seconds: float | None = None
    ) -> Iterator[list[Body]]:
        """The EdgeModels now, and again whenever one changes, for about `seconds`; None: for ever.

        Ends with them as they are at the end.

        Raises:
            ClusterError: see `errors`; NotFound: the one called `name` is not there, or not any more.
        """
        path, end = self._path(everywhere=everywhere), None if seconds is None else time.monotonic() + seconds
        only = {} if name is None else {"fieldSelector": f"metadata.name={name}"}
        while True:
            listed = self.server.get(path, KIND, **only)
            present = {_key(body): body for body in listed["items"]}
            if name is not None and not present:
                self.read(name)  # says why
            yield _sorted(present.values())
            left = WATCH if end is None else min(end - time.monotonic(), WATCH)
            if left <= 0:
                return
            query = {**only, "resourceVersion": listed["metadata"]["resourceVersion"]}
            for event in self.server.watch(path, KIND, left, **query):
                if event["type"] == "ERROR":  # too old a version, mostly: list again
                    break
                _apply(event, present)
                if name is not None and not present:
                    break
                yield _sorted(present.values())
            time.sleep(PAUSE if end is None else min(max(end - time.monotonic(), 0), PAUSE))

    def events(self, name: str) -> list[Body]:
        """The events about one EdgeModel, in no order.

        Raises:
            ClusterError: see `errors`.
        """
        only = f"involvedObject.kind=EdgeModel,involvedObject.name={name}"
        path = f"/api/v1/namespaces/{self.namespace}/events"
        found: list[Body] = self.server.get(path, "events", fieldSelector=only, limit="500")["items"]
        return found

    def annotate(self, name: str, annotations: Mapping[str, str | None]) -> Body:
        """Set annotations of one EdgeModel (None: remove) and return it.

        Raises:
            ClusterError: see `errors`; NotFound names what is called nearly the same.
        """
        patch = {"metadata": {"annotations": dict(annotations)}}
        with self._named(name) as (path, what):
            return _lean(self.server.send("PATCH", path, what, patch, "application/merge-patch+json"))

    @contextmanager
    def _named(self, name: str) -> Iterator[tuple[str, str]]:
        """Path and description of one EdgeModel; where it is not there, what the user may have meant is named."""
        what = f"edgemodel {self.namespace}/{name}"
        try:
            yield f"{self._path()}/{quote(name, safe='')}", what
        except UnknownKind:
            raise
        except NotFound as error:
            raise NotFound(f"{error}{self._near(name)}") from error

    def _path(self, *, everywhere: bool = False) -> str:
        return f"{API}/{KIND}" if everywhere else f"{API}/namespaces/{self.namespace}/{KIND}"

    def _near(self, name: str) -> str:
        try:
            near = difflib.get_close_matches(name, [body["metadata"]["name"] for body in self.read_all()], n=1)
        except ClusterError:
            return ""
        return f"; did you mean {near[0]}?" if near else ""


def _apply(event: Body, present: dict[tuple[str, str], Body]) -> None:
    if event["type"] == "DELETED":
        present.pop(_key(event["object"]), None)
    else:
        present[_key(event["object"])] = event["object"]


def _key(body: Body) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _sorted(bodies: Iterable[Body]) -> list[Body]:
    return sorted(map(_lean, bodies), key=_key)


def _lean(body: Body) -> Body:
    body["metadata"].pop("managedFields", None)
    return body
