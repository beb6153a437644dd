"""What a run is configured by: the recipe, which goes into the result, and the settings of this machine."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgemodel import series
from edgemodel.distillation import Method, Order
from edgemodel_distill.errors import BadSettings

HOLDOUT = 0.2
"""Share of the labelled set, and of the edge samples, that is never trained on."""

VALIDATION = 0.1
"""Share of the labelled set that tells when to stop early; trained on where nobody asks that."""


PORT = 29500
"""Where the leader of several workers listens: PyTorch's habit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that the student's weights depend on, apart from the data; recorded in the bundle's lineage."""

    architecture: str
    width: int
    temperature: float
    alpha: float
    epochs: int
    learning_rate: float
    batch_size: int
    seed: int
    threads: int = 1
    """Sums in another order round differently, so the thread count is part of the recipe, and so are the workers."""
    workers: int = 1
    method: Method = field(default_factory=Method)
    source: str = ""
    """Digest of the source of a student of one's own."""

    @classmethod
    def of(cls, order: Order, threads: int, workers: int = 1, source: str = "") -> "Recipe":
        """The recipe that `order` asks for, on `threads` threads of each of the workers."""
        return cls(
            architecture=order.student.architecture,
            width=order.student.width,
            temperature=order.temperature,
            alpha=order.alpha,
            epochs=order.epochs,
            learning_rate=order.learning_rate,
            batch_size=order.batch_size,
            seed=order.seed,
            threads=threads,
            workers=workers,
            method=order.method,
            source=source,
        )

    def dump(self) -> dict[str, Any]:
        """As plain data for the bundle's lineage; one worker, or a student that everyone has, is not worth a word."""
        recipe = {**asdict(self), "method": self.method.model_dump(), "holdout": HOLDOUT}
        plain = {"workers": 1, "source": ""}
        return {name: value for name, value in recipe.items() if name not in plain or value != plain[name]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A worker's place among those of one training."""

    rank: int = 0
    """0 leads."""
    workers: int = 1
    leader: str = "127.0.0.1"
    """Where the others find the leader, by name or address."""
    port: int = PORT
    listener: int | None = None
    """A socket that listens there already, as a file descriptor; None: the leader opens one, for everyone."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Post":
        """The place in RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, which are PyTorch's names; a worker alone else.

        Raises:
            BadSettings: names the variable.
        """
        workers = _number("WORLD_SIZE", environment.get("WORLD_SIZE") or "1")
        if workers == 1:
            return cls()
        rank, leader = environment.get("RANK", ""), environment.get("MASTER_ADDR", "")
        if not rank.isdecimal() or int(rank) >= workers:
            raise BadSettings(f"RANK: want a whole number below WORLD_SIZE ({workers}), got {rank!r:.80}")
        if not leader:
            raise BadSettings("MASTER_ADDR: want the name of the worker with RANK 0")
        port = _number("MASTER_PORT", environment.get("MASTER_PORT") or str(PORT))
        return cls(rank=int(rank), workers=workers, leader=leader, port=port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where this machine lets the Job work, and how it reaches its registries."""

    work: Path | None = None
    """Folder for downloads and the candidate; None: a temporary one."""
    checkpoints: Path | None = None
    """Instead of it for who leads a Job: a folder for one order alone, which outlives this machine."""
    registry_ca: Path | None = None
    docker_config: Path | None = None
    signing_key: Path | None = None
    """Private key that an accepted student is signed with; None: it is not."""
    threads: int = 1
    metrics_port: int | None = None
    """Where /metrics answers; None: nowhere."""
    patience: int = 1800
    """Seconds without progress after which the run gives up."""
    identity: Mapping[str, str] = field(default_factory=dict)
    """Labels of every series."""
    post: Post = field(default_factory=Post)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings in EDGEMODEL_WORK, _CHECKPOINTS, _REGISTRY_CA, _DOCKER_CONFIG, _SIGNING_KEY, and so on.

        With a port in EDGEMODEL_METRICS_PORT, EDGEMODEL_NAME, _NAMESPACE and _NODE are the labels of the metrics. For a
        worker's place see `Post`.

        Raises:
            BadSettings: names the variable.
        """
        port = environment.get("EDGEMODEL_METRICS_PORT")
        own = {name: environment.get(f"EDGEMODEL_{name.upper()}", "") for name in ("name", "namespace", "node")}
        return cls(
            work=_path(environment.get("EDGEMODEL_WORK")),
            checkpoints=_path(environment.get("EDGEMODEL_CHECKPOINTS")),
            registry_ca=_path(environment.get("EDGEMODEL_REGISTRY_CA")),
            docker_config=_path(environment.get("EDGEMODEL_DOCKER_CONFIG")),
            signing_key=_path(environment.get("EDGEMODEL_SIGNING_KEY")),
            threads=_number("EDGEMODEL_THREADS", environment.get("EDGEMODEL_THREADS") or "1"),
            patience=_number("EDGEMODEL_PATIENCE", environment.get("EDGEMODEL_PATIENCE") or "1800"),
            metrics_port=_number("EDGEMODEL_METRICS_PORT", port) if port else None,
            identity=series.identity(own["name"], own["namespace"], own["node"]),
            post=Post.read(environment),
        )


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise BadSettings(f"{name}: want a whole number of 1 or more, got {text!r:.80}")
    return int(text)


def _path(value: str | None) -> Path | None:
    return Path(value) if value else None
