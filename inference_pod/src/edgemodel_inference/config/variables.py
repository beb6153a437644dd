"""The variables that settings come from: how each is read, what it is for, and the option that does the same.

Plain standard library, as `settings`.
"""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgemodel_inference.config.extras import need
from edgemodel_inference.config.origin import parse_origin
from edgemodel_inference.model.devices import Device

_T = TypeVar("_T")


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


def _trial_seconds(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= 600:  # noqa: PLR2004 (ten minutes: no board is that slow)
        raise ValueError("want whole seconds, 1 to 600, for example 30 on a slow board")
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
        raise ValueError("want a URL, for example http://collector:4318/v1/metrics")
    return value


def _optional(parse: Callable[[str], _T]) -> Callable[[str], _T | None]:
    return lambda value: parse(value) if value else None


def _device(value: str) -> Device:
    if value not in set(Device):
        raise ValueError(f"want {', '.join(Device)}")
    return Device(value)


def _share(value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError("want a share, 0 to 1, for example 0.01")
    return share


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the environment, how it is read, what it is for, and the option that does the same."""

    name: str
    parse: Callable[[str], object]
    default: Callable[[], str]
    help: str
    option: str = ""
    metavar: str = ""
    extra: str = ""
    """The extra of this package that has to be installed where it is set."""

    def read(self, text: str) -> object:
        """What `text` says.

        Raises:
            ValueError: says what is wanted.
        """
        value = self.parse(text)
        if text and self.extra:
            need(self.extra)
        return value

    @property
    def field(self) -> str:
        """The field of `Settings` that it fills."""
        return self.name.removeprefix("EDGEMODEL_").lower()

    @property
    def key(self) -> str:
        """Its name in serve.yaml: grpcPort."""
        first, *others = self.field.split("_")
        return first + "".join(word.capitalize() for word in others)


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
    Variable("EDGEMODEL_BANDWIDTH", _optional(_size), _is(""), "bytes per second to fetch models and push samples"),
    Variable("EDGEMODEL_THREADS", _threads, _is("1"), "threads of one inference"),
    Variable("EDGEMODEL_BATCH_SIZE", _batch_size, _is("8"), "most rows that waiting requests are run together with"),
    Variable("EDGEMODEL_BATCH_DELAY", _batch_delay, _is("0"), "seconds that a batch which is not full waits for more"),
    Variable("EDGEMODEL_TRIAL_SECONDS", _trial_seconds, _is("5"), "seconds of the processor to try a new version in"),
    Variable(
        "EDGEMODEL_DEVICE",
        _device,
        _is(Device.AUTO.value),
        f"what runs the model: {', '.join(Device)}; the processor where that does not work",
        "--device",
        "DEVICE",
    ),
    Variable("EDGEMODEL_REGISTRY_CA", _optional(_path), _is(""), "CA bundle of the registry, besides the public ones"),
    Variable("EDGEMODEL_DOCKER_CONFIG", _optional(_path), _is(""), "registry logins, a .dockerconfigjson"),
    Variable("EDGEMODEL_PORT", _port, _is("8080"), "port of inference", "--port", "PORT"),
    Variable("EDGEMODEL_ADMIN_PORT", _port, _is("8081"), "port of probes, metrics and status", "--admin-port", "PORT"),
    Variable(
        "EDGEMODEL_BUNDLE",
        _optional(parse_origin),
        _is(""),
        "serve this instead of what a wish file names: a bundle's folder, or oci://… or https://…, with @sha256:…",
        "--bundle",
        "BUNDLE",
    ),
    Variable(
        "EDGEMODEL_CONFIG",
        _optional(_file),
        _is(""),
        "serve.yaml: bundle, backup, rules, healing, sampling; what else stands here, under server",
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
    Variable(
        "EDGEMODEL_OTLP", _optional(_url), _is(""), "push the metrics here, by OTLP over HTTP", "--otlp", "URL", "otlp"
    ),
    Variable(
        "EDGEMODEL_OTLP_TRACES",
        _optional(_url),
        _is(""),
        "push traces here, by OTLP over HTTP",
        "--otlp-traces",
        "URL",
        "otlp",
    ),
    Variable("EDGEMODEL_TRACE_RATIO", _share, _is("0.01"), "share of the requests of which a trace is made"),
    Variable(
        "EDGEMODEL_GRPC_PORT", _optional(_port), _is(""), "answer over gRPC too, here", "--grpc-port", "PORT", "grpc"
    ),
)


def describe() -> str:
    """All variables with their defaults, for ``--help``."""
    width = max(len(v.name) for v in VARIABLES)
    lines = (f"  {v.name:<{width}}  {v.help} (default: {v.default() or 'none'})" for v in VARIABLES)
    return "\n".join(lines)
