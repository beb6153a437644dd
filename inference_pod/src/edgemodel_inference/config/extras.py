"""Extras of this package: what is installed by wish only. Standard library alone: the supervisor asks before it starts.

Nothing of them is imported here: some take longer than a start may.
"""

from collections.abc import Mapping
from importlib.util import find_spec

MODULES: Mapping[str, tuple[str, ...]] = {
    "grpc": ("h2", "google.protobuf"),
    "otlp": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
}
"""By extra: what it brings. Parts of that may be there without it: FastAPI brings OpenTelemetry's interface alone."""


def need(extra: str) -> None:
    """Raise ValueError, which says what to do, where `extra` is not installed."""
    if not all(_is_there(module) for module in MODULES[extra]):
        raise ValueError(
            f"wants the extra {extra}, which is not installed (pip install 'edgemodel-inference[{extra}]')"
        )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it is a part of
        return False
