"""Settings from the command line, the environment and serve.yaml, checked once at the start.

Plain standard library: the supervisor reads them too, and stays small by importing no more than it needs.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgemodel_inference.config.origin import Origin
from edgemodel_inference.config.variables import VARIABLES
from edgemodel_inference.errors import SettingsError
from edgemodel_inference.model.devices import Device


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
    trial_seconds: int
    device: Device
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
    otlp_traces: str | None
    trace_ratio: float

    @property
    def local(self) -> bool:
        """Whether a person says what to serve, on this machine, and no cluster's wish file does."""
        return self.bundle is not None or self.config is not None


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
            values[variable.field] = variable.read(text)
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
