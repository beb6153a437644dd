"""From an artifact's address to a model that may answer: signature, fetch, verify, jail, open, warm up."""

from collections.abc import Callable

import onnxruntime

from edgemodel.wish import Artifact
from edgemodel_inference import heap, logs
from edgemodel_inference.disk.store import Store
from edgemodel_inference.errors import DeviceUnusable, Refused, Unprocessable
from edgemodel_inference.model import batching, golden
from edgemodel_inference.model.devices import Choice, Device, choose, try_device
from edgemodel_inference.model.jail import SECONDS, try_bundle
from edgemodel_inference.model.models import Model, open_model
from edgemodel_inference.wish.trust import Trust

WARM_UP_RUNS = 3

log = logs.Log("edgemodel.loader")


class Loader:
    """Opens artifacts; `opening` hears a digest before its graph is touched in this process, and None after."""

    def __init__(  # noqa: PLR0913, PLR0917 (the parts it needs, and how models are opened)
        self,
        store: Store,
        trust: Trust,
        device: Device,
        threads: int,
        batch_size: int,
        opening: Callable[[str | None], None],
        trial_seconds: int = SECONDS,
    ) -> None:
        """`batch_size`: the most rows that may be run together; `trial_seconds`: see `try_bundle`."""
        self._trial_seconds = trial_seconds
        self._device = device
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
            try_bundle(self._store.folder(artifact.digest), self._trial_seconds)
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
            heap.give_back()

    def _open_warm(self, artifact: Artifact) -> Model:
        choice = self._choose(artifact)
        try:
            return self._open_on(choice, artifact)
        except (Refused, DeviceUnusable) as error:
            if choice.used is Device.CPU:
                raise
            log.warning(
                "device does not take the version", device=choice.used, digest=artifact.digest, error=str(error)
            )
            why = f"{choice.used}: {error!s:.300}"
            return self._open_on(Choice(choice.wished, Device.CPU, why), artifact)

    def _choose(self, artifact: Artifact) -> Choice:
        folder, available = self._store.folder(artifact.digest), onnxruntime.get_available_providers()

        def trouble(device: Device) -> str | None:
            return try_device(device, folder, lambda: self._opening(artifact.digest))

        choice = choose(self._device, available, trouble)
        if choice.used is not Device.CPU:
            log.info("device chosen", used=choice.used, digest=artifact.digest)
        elif choice.missed:
            log.warning("device not usable, the processor serves", wished=choice.wished, why=choice.why)
        return choice

    def _open_on(self, choice: Choice, artifact: Artifact) -> Model:
        folder = self._store.folder(artifact.digest)
        model = open_model(folder, artifact, self._threads, choice)
        samples = golden.read_golden(folder, model.card)
        try:
            for _ in range(WARM_UP_RUNS):
                golden.compare(model, samples)
        except Unprocessable as error:
            raise Refused("GoldenMismatch", str(error)) from error
        model.batching = batching.measure(model, golden.inputs_of(samples), self._batch_size)
        self._store.touch(artifact.digest)
        return model
