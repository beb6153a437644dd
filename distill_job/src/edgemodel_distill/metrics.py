"""Progress as Prometheus metrics on /metrics, where Prometheus or the operator looks for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from edgemodel import series
from edgemodel_distill.config import Settings
from edgemodel_distill.errors import BadSettings
from edgemodel_distill.progress import DataReport, EpochReport, Watch

_WHAT = {
    series.TRAINING_EPOCH: "Epochs that are done.",
    series.TRAINING_PERCENT: "How much of the training is done.",
    series.TRAINING_LOSS: "Mean loss of the last epoch.",
    series.TRAINING_ACCURACY: "Accuracy on the holdout after the last epoch.",
}


class Metered:
    """Tells `watch` what it is told, and keeps the latest for whoever asks."""

    def __init__(self, watch: Watch, labels: dict[str, str], registry: CollectorRegistry) -> None:
        self._watch = watch
        names = list(labels)
        gauges = {name: Gauge(name, what, names, registry=registry) for name, what in _WHAT.items()}
        self._gauges = {name: gauge.labels(**labels) for name, gauge in gauges.items()}

    def stage(self, name: str) -> None:
        """See `Watch`."""
        self._watch.stage(name)

    def note(self, text: str) -> None:
        """See `Watch`."""
        self._watch.note(text)

    def data(self, report: DataReport) -> None:
        """See `Watch`."""
        self._watch.data(report)

    def epoch(self, report: EpochReport) -> None:
        """See `Watch`."""
        self._watch.epoch(report)
        self._gauges[series.TRAINING_EPOCH].set(report.epoch)
        self._gauges[series.TRAINING_PERCENT].set(report.percent)
        self._gauges[series.TRAINING_LOSS].set(report.loss)
        self._gauges[series.TRAINING_ACCURACY].set(report.holdout_accuracy)


@contextmanager
def served(watch: Watch, candidate: str, settings: Settings) -> Iterator[Watch]:
    """`watch`, with metrics that are served meanwhile where the settings have a port.

    Of several workers the leader tells of the training; the others' page is empty, so that a visit finds them well.

    Raises:
        BadSettings: the port is taken.
    """
    if settings.metrics_port is None:
        yield watch
        return
    registry = CollectorRegistry()
    labels = {**settings.identity, "candidate": candidate}
    metered = Metered(watch, labels, registry) if settings.post.rank == 0 else watch
    try:
        server, thread = start_http_server(settings.metrics_port, registry=registry)
    except OSError as error:
        raise BadSettings(f"EDGEMODEL_METRICS_PORT: {settings.metrics_port}: {error}") from error
    try:
        yield metered
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
