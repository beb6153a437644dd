"""Requests to an API server as a kubeconfig names it: paths in, JSON out, errors in plain words."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from kubernetes import client, config
from urllib3.exceptions import HTTPError

from edgemodel_cli.errors import Forbidden, NoCluster, NotFound, Refused, UnknownKind

CONNECT = 5.0
"""Seconds to connect, at most."""
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""As `accept`: the object without its content, for what may hold secrets."""

Body = dict[str, Any]


class ApiServer:
    """One API server, and who one is there."""

    def __init__(self, kubeconfig: Path | None, context: str | None, patience: float) -> None:
        """Read the kubeconfig; None: kubectl's own and its present context. `patience`: seconds an answer may take.

        Raises:
            NoCluster: there is none, or it has no such context.
        """
        self._patience = patience
        file = None if kubeconfig is None else str(kubeconfig)
        settings: Any = client.Configuration()
        settings.retries = False  # a person waits; one try says enough
        try:
            contexts, active = config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]  # has no types
            chosen = next((c for c in contexts if c["name"] == context), active) if context else active
            self._api: Any = config.new_client_from_config(file, context, client_configuration=settings)  # type: ignore[no-untyped-call]  # has no types
        except (config.ConfigException, OSError, TypeError, AttributeError, ValueError) as error:
            where = "" if kubeconfig is None else f"{kubeconfig}: "
            raise NoCluster(f"no cluster: {where}{' '.join(str(error).split())}") from error
        self.namespace: str = chosen["context"].get("namespace") or "default"
        self.date = ""
        """The server's own clock at its last answer, as HTTP writes it."""

    def get(self, path: str, what: str, *, accept: str = "application/json", **query: str) -> Body:
        """One object, or a list; `what` is the subject of errors.

        Raises:
            ClusterError: see `errors`.
        """
        with _translated(what):
            response = self._send("GET", path, query, {"Accept": accept}, None, self._patience)
            return _parsed(response, what)

    def get_text(self, path: str, what: str) -> str:
        """A document that is not JSON.

        Raises:
            ClusterError: see `errors`.
        """
        with _translated(what):
            response = self._send("GET", path, {}, {"Accept": "*/*"}, None, self._patience)
            return _checked(response, what).decode(errors="replace")

    def send(self, method: str, path: str, what: str, body: Body, content_type: str = "application/json") -> Body:
        """Create or patch one object and return what the server made of it.

        Raises:
            ClusterError: see `errors`.
        """
        with _translated(what):
            headers = {"Accept": "application/json", "Content-Type": content_type}
            return _parsed(self._send(method, path, {}, headers, body, self._patience), what)

    def watch(self, path: str, what: str, seconds: float, **query: str) -> Iterator[Body]:
        """Changes as they come: ``type`` and ``object``; ends after at most `seconds`, or when the server ends it.

        Raises:
            ClusterError: see `errors`.
        """
        with _translated(what):
            query |= {"watch": "true", "timeoutSeconds": str(int(seconds) + 1)}
            response = self._send("GET", path, query, {"Accept": "application/json"}, None, seconds)
            if response.status >= HTTPStatus.BAD_REQUEST:
                _checked(response, what)
            try:
                yield from (json.loads(line) for line in _lines(response.response))
            except (HTTPError, json.JSONDecodeError):  # nothing came in time, or the end came in the middle of a line
                return
            finally:
                response.response.close()

    def _send(  # noqa: PLR0913, PLR0917 - the parts of a request
        self, method: str, path: str, query: Mapping[str, str], headers: Body, body: Body | None, seconds: float
    ) -> Any:
        request = self._api.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self._api.call_api(*request, _request_timeout=(min(CONNECT, self._patience), max(seconds, 0.05)))
        self.date = response.headers.get("Date", "")
        return response


def _parsed(response: Any, what: str) -> Body:
    data = _checked(response, what)
    try:
        parsed = json.loads(data)
    except ValueError as error:
        raise NoCluster(f"{what}: this is no API server: {data[:60].decode(errors='replace')!r}") from error
    if not isinstance(parsed, dict):
        raise NoCluster(f"{what}: this is no API server: {data[:60].decode(errors='replace')!r}")
    return parsed


def _checked(response: Any, what: str) -> bytes:
    data: bytes = response.read()
    if response.status < HTTPStatus.BAD_REQUEST:
        return data
    message = _message(data)
    raise _refusal(what, response.status, " ".join((message or data[:200].decode(errors="replace")).split()), message)


def _refusal(what: str, status: int, message: str, official: str | None) -> NotFound | Forbidden | Refused:
    match status:
        case HTTPStatus.NOT_FOUND if official is None:  # the path itself is unknown
            return UnknownKind(f"{what}: this cluster has no such kind: is the operator's chart installed?")
        case HTTPStatus.NOT_FOUND:
            return NotFound(f"{what}: not found")
        case HTTPStatus.UNAUTHORIZED:
            return Forbidden(f"{what}: the API server does not know you; log in again")
        case HTTPStatus.FORBIDDEN:
            return Forbidden(f"{what}: {message}")
        case _:
            return Refused(f"{what}: the API server says {status}: {message}")


def _message(data: bytes) -> str | None:
    """What the server's own handlers say; None: nobody handled it."""
    try:
        return str(json.loads(data)["message"])
    except (TypeError, ValueError, KeyError):
        return None


def _lines(response: Any) -> Iterator[bytes]:
    rest = b""
    for piece in response.stream(None, decode_content=True):
        *lines, rest = (rest + piece).split(b"\n")
        yield from filter(None, lines)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except client.ApiException as error:
        raise Refused(f"{what}: {error.reason}") from error
    except (HTTPError, OSError) as error:
        raise NoCluster(f"the API server does not answer: {str(error)[:200]}") from error
