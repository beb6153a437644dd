"""A whole application without a server, and its books."""

from edgemodel.series import identity
from edgemodel_inference.model.engine import Engine
from edgemodel_inference.model.inference import Inference
from edgemodel_inference.model.models import Model
from edgemodel_inference.observing.metrics import Metrics, Readings
from edgemodel_inference.observing.recorder import Recorder
from edgemodel_inference.observing.samples import HardSamples
from edgemodel_inference.observing.traffic import Traffic
from edgemodel_inference.web.access import Tokens
from edgemodel_inference.web.app import App, Later
from edgemodel_inference.web.people import build
from edgemodel_inference.web.routes import Routes


class Desk:
    """An application around an engine, with all its books."""

    def __init__(self, model: Model | None, tokens: Tokens | None = None) -> None:
        self.engine = Engine()
        if model is not None:
            self.engine.install(model)
        self.metrics = Metrics(identity("tiny", "plant-a", "edge-1"), Readings)
        self.traffic = Traffic()
        self.traffic.switched(model.digest if model else None)
        self.inference = inference = Inference(self.engine, Recorder(self.traffic, self.metrics, HardSamples()))
        people = Later(lambda: build("tiny", inference))
        self.app = App(self.engine, Routes("tiny", inference), people, tokens)

    def count(self, outcome: str) -> float:
        lines = self.metrics.render().splitlines()
        return sum(float(line.split()[-1]) for line in lines if f'outcome="{outcome}"' in line)
