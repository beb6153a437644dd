"""Settings from the environment, checked once at the start.

Plain standard library: the supervisor reads them too, and stays small by importing no more than it needs.
"""

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgemodel_inference.errors import SettingsError
from edgemodel_inference.origin import Origin, parse_origin

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the pod is told at its start; what it serves is told by the wish."""

    name: str
    namespace: str
    node: str
    wish: Path
    state: Path
    cache_size: int
    bandwidth: int | None
    threads: int
    batch_size: int
    batch_delay: float
    registry_ca: Path | None
    docker_config: Path | None
    port: int
    admin_port: int
    bundle: Origin | None
    config: Path | None
    tls_cert: Path | None
    tls_key: Path | None
    tokens: Path | None
    grpc_port: int | None
    trusted_keys: Path | None
    otlp: str | None

    @property
    def local(self) -> bool:
        """Whether a person says what to serve, on this machine, and no cluster's wish file does."""
        return self.bundle is not None or self.config is not None


def _text(value: str) -> str:
    if not value.strip() or len(value) > 253:  # noqa: PLR2004 (longest DNS name: no name of Kubernetes is longer)
        raise ValueError("want a name of 1 to 253 characters")
    return value


def _port(value: str) -> int:
    if not value.isdecimal() or int(value) > 65_535:  # noqa: PLR2004 (largest TCP port)
        raise ValueError("want a port, 1 to 65535 (0: any free one)")
    return int(value)


def _size(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise ValueError("want a size in bytes, for example 104857600")
    return int(value)


def _threads(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 1024:  # noqa: PLR2004 (more threads than any edge box has)
        raise ValueError("want a number of threads, 1 to 1024")
    return int(value)


def _batch_size(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 1024:  # noqa: PLR2004 (more rows than pay anywhere)
        raise ValueError("want a number of rows, 1 to 1024 (1: each request alone)")
    return int(value)


def _batch_delay(value: str) -> float:
    try:
        delay = float(value)
    except ValueError:
        delay = -1.0
    if not 0 <= delay <= 1:
        raise ValueError("want seconds, 0 to 1, for example 0.002")
    return delay


def _path(value: str) -> Path:
    path = Path(value)
    if not value or not path.is_absolute():
        raise ValueError("want an absolute path")
    return path


def _folder(value: str) -> Path:
    if not value.strip():
        raise ValueError("want a folder")
    return Path(value).absolute()


def _file(value: str) -> Path:
    return Path(value).absolute()


def _url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
        raise ValueError("want a URL, for example http://prometheus:9090/api/v1/otlp/v1/metrics")
    return value


def _optional(parse: Callable[[str], _T]) -> Callable[[str], _T | None]:
    return lambda value: parse(value) if value else None


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the environment, how it is read, what it is for, and the option that does the same."""

    name: str
    parse: Callable[[str], object]
    default: Callable[[], str]
    help: str
    option: str = ""
    metavar: str = ""

    @property
    def field(self) -> str:
        """The field of `Settings` that it fills."""
        return self.name.removeprefix("EDGEMODEL_").lower()


def _is(value: str) -> Callable[[], str]:
    return lambda: value


VARIABLES = (
    Variable("EDGEMODEL_NAME", _text, _is("model"), "name of the EdgeModel, and of the model in URLs", "--name", "M"),
    Variable("EDGEMODEL_NAMESPACE", _text, _is("default"), "namespace of the EdgeModel"),
    Variable("EDGEMODEL_NODE", _text, socket.gethostname, "name of this node"),
    Variable("EDGEMODEL_WISH", _path, _is("/etc/edgemodel/wish/wish.json"), "file that says what to serve"),
    Variable(
        "EDGEMODEL_STATE", _folder, _is("/var/lib/edgemodel"), "writable folder: models, journal", "--state", "DIR"
    ),
    Variable("EDGEMODEL_CACHE_SIZE", _size, _is("104857600"), "bytes of models to keep on disk"),
    Variable("EDGEMODEL_BANDWIDTH", _optional(_size), _is(""), "bytes per second to fetch models with"),
    Variable("EDGEMODEL_THREADS", _threads, _is("1"), "threads of one inference"),
    Variable("EDGEMODEL_BATCH_SIZE", _batch_size, _is("8"), "most rows that waiting requests are run together with"),
    Variable("EDGEMODEL_BATCH_DELAY", _batch_delay, _is("0"), "seconds that a batch which is not full waits for more"),
    Variable("EDGEMODEL_REGISTRY_CA", _optional(_path), _is(""), "CA bundle of the registry"),
    Variable("EDGEMODEL_DOCKER_CONFIG", _optional(_path), _is(""), "registry logins, a .dockerconfigjson"),
    Variable("EDGEMODEL_PORT", _port, _is("8080"), "port of inference", "--port", "PORT"),
    Variable("EDGEMODEL_ADMIN_PORT", _port, _is("8081"), "port of probes, metrics and status", "--admin-port", "PORT"),
    Variable(
        "EDGEMODEL_BUNDLE",
        _optional(parse_origin),
        _is(""),
        "serve this instead of what a wish file names: a bundle's folder, or oci://…@sha256:…",
        "--bundle",
        "BUNDLE",
    ),
    Variable(
        "EDGEMODEL_CONFIG",
        _optional(_file),
        _is(""),
        "serve.yaml: bundle, backup, rules, healing, sampling",
        "--config",
        "FILE",
    ),
    Variable(
        "EDGEMODEL_TLS_CERT",
        _optional(_file),
        _is(""),
        "serve over TLS with this certificate chain, PEM; read again when it is renewed",
        "--tls-cert",
        "FILE",
    ),
    Variable("EDGEMODEL_TLS_KEY", _optional(_file), _is(""), "the certificate's key, PEM", "--tls-key", "FILE"),
    Variable(
        "EDGEMODEL_TOKENS",
        _optional(_file),
        _is(""),
        "ask callers for one of these bearer tokens, one per line; read again when changed",
        "--tokens",
        "FILE",
    ),
    Variable(
        "EDGEMODEL_TRUSTED_KEYS",
        _optional(_file),
        _is(""),
        "serve only what one of these keys signed: public keys, PEM; read again when changed",
        "--trusted-keys",
        "FILE",
    ),
    Variable("EDGEMODEL_OTLP", _optional(_url), _is(""), "push the metrics here, by OTLP over HTTP", "--otlp", "URL"),
    Variable("EDGEMODEL_GRPC_PORT", _optional(_port), _is(""), "answer over gRPC too, here", "--grpc-port", "PORT"),
)


def read(environ: Mapping[str, str], options: Mapping[str, str] | None = None) -> Settings:
    """The settings in `environ`, and in `options`, which go before: what was given on the command line, by variable.

    Raises:
        SettingsError: one line per variable or option that is wrong, with its name and what is wanted.
    """
    options = options or {}
    values: dict[str, object] = {}
    problems = []
    for variable in VARIABLES:
        given = variable.name in options
        text = options[variable.name] if given else environ.get(variable.name, "") or variable.default()
        try:
            values[variable.field] = variable.parse(text)
        except ValueError as error:
            problems.append(f"{variable.option if given else variable.name}: {error}, got {text!r:.80}")
    if not problems and (values["tls_cert"] is None) != (values["tls_key"] is None):
        problems.append("EDGEMODEL_TLS_CERT, EDGEMODEL_TLS_KEY: want both or none")
    if values.get("trusted_keys") is not None and not (values.get("bundle") or values.get("config")):
        problems.append("EDGEMODEL_TRUSTED_KEYS: want --bundle or --config with it; a wish file names keys itself")
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(**values)  # type: ignore[arg-type]  # each parser above gives its field's type


def ensure_state(settings: Settings) -> None:
    """Make the state folder.

    Raises:
        SettingsError: it cannot be made or written to.
    """
    try:
        settings.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"EDGEMODEL_STATE: want a writable folder (or another one by --state): {error}") from error
    if not os.access(settings.state, os.W_OK | os.X_OK):
        raise SettingsError(
            f"EDGEMODEL_STATE: want a writable folder (or another one by --state), got '{settings.state}'"
        )


def describe() -> str:
    """All variables with their defaults, for ``--help``."""
    width = max(len(v.name) for v in VARIABLES)
    lines = (f"  {v.name:<{width}}  {v.help} (default: {v.default() or 'none'})" for v in VARIABLES)
    return "\n".join(lines)
