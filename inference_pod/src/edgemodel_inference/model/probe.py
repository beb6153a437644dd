"""Shows whether a device takes a bundle: opens it there and compares its golden outputs.

Run as ``python -m edgemodel_inference.model.probe DEVICE FOLDER`` on a bundle that has passed the jail; the last line
that it prints is a JSON object with `problem`, null where there is none.
"""

import json
import sys
from pathlib import Path

from edgemodel.wish import Artifact
from edgemodel_inference.errors import InferenceError
from edgemodel_inference.model import golden
from edgemodel_inference.model.devices import Choice, Device
from edgemodel_inference.model.models import open_model


def try_here(device: Device, folder: Path) -> str | None:
    """What is wrong, or None; a broken driver may end the process instead."""
    unnamed = Artifact(name="probe", uri="file:///", digest="sha256:" + "0" * 64)
    try:
        model = open_model(folder, unnamed, threads=1, device=Choice(device, device, "tried"))
        golden.compare(model, golden.read_golden(folder, model.card))
    except InferenceError as error:
        return f"{error!s:.300}"
    return None


def main() -> None:
    """The child process."""
    problem = try_here(Device(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write("\n" + json.dumps({"problem": problem}))


if __name__ == "__main__":
    main()
