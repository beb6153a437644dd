"""From an artifact's address to a model that may answer: signature, fetch, verify, jail, open, warm up."""

from collections.abc import Callable

from edgemodel.wish import Artifact
from edgemodel_inference import batching, golden, logs
from edgemodel_inference.errors import Refused, Unprocessable
from edgemodel_inference.jail import try_bundle
from edgemodel_inference.models import Model, open_model
from edgemodel_inference.store import Store
from edgemodel_inference.trust import Trust

WARM_UP_RUNS = 3

log = logs.Log("edgemodel.loader")


class Loader:
    """Opens artifacts; `opening` hears a digest before its graph is touched in this process, and None after."""

    def __init__(
        self, store: Store, trust: Trust, threads: int, batch_size: int, opening: Callable[[str | None], None]
    ) -> None:
        """`batch_size`: the most rows that may be run together."""
        self._batch_size = batch_size
        self._store = store
        self._trust = trust
        self._threads = threads
        self._opening = opening

    def has_at_hand(self, resident: Model | None) -> bool:
        """Whether there is a resident model that may be taken into service as it is."""
        return resident is not None and self._trust.has(resident.digest)

    def obtain(self, artifact: Artifact, progress: Callable[[int, int], None], resident: Model | None = None) -> Model:
        """`artifact` as a warm model: the `resident` one, else from the disk where it is whole, else from its origin.

        Raises:
            Refused: it must not serve.
            Unreachable: it cannot be had now.
        """
        self._trust.require(artifact)
        if resident is not None:
            return resident
        if not self._store.has(artifact.digest):
            log.info("fetching", version=artifact.name, digest=artifact.digest)
            self._store.fetch(artifact, progress)
        if not self._store.is_proved(artifact.digest):
            try_bundle(self._store.folder(artifact.digest))
            self._store.mark_proved(artifact.digest)
        return self._open(artifact)

    def reopen(self, artifact: Artifact) -> Model | None:
        """`artifact` from the disk alone, or None where it is not there, not whole, or never passed the jail.

        None too where no trusted key signed it, unless it is what served.

        Raises:
            Refused: it must not serve.
        """
        if not self._store.has(artifact.digest) or not self._store.is_proved(artifact.digest):
            return None
        if not self._trust.has(artifact.digest) and not self._trust.exempts(artifact.digest):
            return None
        return self._open(artifact)

    def _open(self, artifact: Artifact) -> Model:
        self._opening(artifact.digest)
        try:
            return self._open_warm(artifact)
        finally:
            self._opening(None)

    def _open_warm(self, artifact: Artifact) -> Model:
        folder = self._store.folder(artifact.digest)
        model = open_model(folder, artifact, self._threads)
        samples = golden.read_golden(folder, model.card)
        try:
            for _ in range(WARM_UP_RUNS):
                golden.compare(model, samples)
        except Unprocessable as error:
            raise Refused("GoldenMismatch", str(error)) from error
        model.batching = batching.measure(model, golden.inputs_of(samples), self._batch_size)
        self._store.touch(artifact.digest)
        return model
