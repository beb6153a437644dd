"""`edgemodel-distill`: runs one order, tells its progress, and ends with an Outcome.

Exit status 0: Accepted or Rejected. 1: the Outcome has an error's code.
"""

import argparse
import faulthandler
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from edgemodel import distillation
from edgemodel.distillation import ORDER_VARIABLE, Order, OrderError
from edgemodel.outcome import Outcome
from edgemodel_distill import result
from edgemodel_distill.config import Settings
from edgemodel_distill.errors import BadOrder, InternalError, Terminated, classify

GRACE_S = 4
"""Seconds after SIGTERM until the process ends whatever it is doing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the order in the environment or in `--order FILE`, and return the exit status."""
    signal.signal(signal.SIGTERM, _terminate)
    result_file = _result_file()
    try:
        outcome = _run(arguments)
    except Terminated:
        outcome = Outcome(code="Terminated", message="SIGTERM came before the end")
    except Exception as error:  # noqa: BLE001 (the process's edge: whatever it is must reach the Outcome)
        known = classify(error)
        if isinstance(known, InternalError):
            traceback.print_exc()
        outcome = Outcome(code=known.code, message=str(known))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the end is near, and the Outcome must be whole
    sys.stdout.write(result.render(outcome) + "\n")
    sys.stdout.flush()
    if result_file is not None:
        result.write(result_file, outcome)
    return 0 if outcome.code in {"Accepted", "Rejected"} else 1


def _run(arguments: Sequence[str] | None) -> Outcome:
    parser = argparse.ArgumentParser(prog="edgemodel-distill", description="Distils a teacher into a student.")
    parser.add_argument("--order", type=Path, metavar="FILE", help=f"the order as JSON (default: ${ORDER_VARIABLE})")
    order = _read_order(parser.parse_args(arguments).order)
    settings = Settings.read(os.environ)
    # Imported late: PyTorch takes seconds, and SIGTERM has to be heard from the first.
    from edgemodel_distill import job, progress  # noqa: PLC0415
    from edgemodel_registry import Client  # noqa: PLC0415

    client = Client(settings.registry_ca, settings.docker_config)
    with _work_folder(settings) as work:
        return job.run(order, client, work, progress.watch_for(sys.stdout), settings.threads)


def _read_order(file: Path | None) -> Order:
    try:
        text = file.read_text() if file is not None else os.environ.get(ORDER_VARIABLE)
        if text is None:
            raise BadOrder(f"there is no order: set {ORDER_VARIABLE}, or give --order FILE")
        return distillation.parse(text)
    except (OSError, UnicodeDecodeError, OrderError) as error:
        raise BadOrder(str(error)) from error


def _result_file() -> Path | None:
    name = os.environ.get("EDGEMODEL_RESULT")
    return Path(name) if name else None


@contextmanager
def _work_folder(settings: Settings) -> Iterator[Path]:
    if settings.work is not None:
        settings.work.mkdir(parents=True, exist_ok=True)
        yield settings.work
    else:
        with tempfile.TemporaryDirectory(prefix="edgemodel-distill-") as folder:
            yield Path(folder)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faulthandler.dump_traceback_later(GRACE_S, exit=True)
    raise Terminated


if __name__ == "__main__":
    sys.exit(main())
