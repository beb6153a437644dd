"""`edgemodel-distill`: runs one order, tells its progress, and ends with an Outcome.

Exit status 0: Accepted; where the order is a Job's also Rejected and TeacherUnfit, which another try does not change.
3: these two elsewhere. 1: the Outcome has an error's code.
"""

import argparse
import faulthandler
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from edgemodel import distillation
from edgemodel.distillation import ORDER_VARIABLE, Order, OrderError
from edgemodel.outcome import Outcome
from edgemodel_distill import heartbeat, result, stopping, work
from edgemodel_distill.config import Settings
from edgemodel_distill.errors import (
    BadOrder,
    DistillError,
    InternalError,
    NoProgress,
    Terminated,
    classify,
)
from edgemodel_distill.stopping import STOP

if TYPE_CHECKING:
    from edgemodel_distill.crew import Crew
    from edgemodel_distill.progress import Watch
    from edgemodel_registry import Client

HELPED = "Helped"
"""Code of a worker that did not lead: the result is the leader's."""

VERDICTS = frozenset({"Accepted", "Rejected", "TeacherUnfit"})
"""What another try does not change."""

REFUSED = 3
"""Exit status where the gates refused and a person or a script is waiting; 2 is argparse's."""

EXAMPLE = """\
# distill.yaml; paths are relative to this file
teacher: teacher.onnx        # an ONNX classifier, a bundle's folder, or oci://host/repository@sha256:...
dataset: images              # a folder with a sub-folder of images per class, or a file with inputs and labels
samples: seen.npz            # optional, without labels: a folder of images, or a file with inputs
student: {architecture: tiny-cnn, width: 16}   # or one of your own: my_nets:my_net, in my_nets.py beside this file
epochs: 20
compress: {quantize: Static} # optional: int8, where it is smaller, faster and as accurate
workers: 2                   # optional: processes that train together; 1 by default
gates: {minAccuracy: 0.9}
output: student              # becomes the student's bundle; or push: oci://host/repository
# signingKey: plant.key      # signs the student: edgemodel key create makes one
"""

TERMINATED = Outcome(code="Terminated", message="SIGTERM or Ctrl-C came before the end")

GRACE_S = 4
"""Seconds after SIGTERM until the process ends whatever it is doing."""
_TELLING_S = 1
"""Seconds to leave a note for the other workers; where the link is cut it takes for ever."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the order in the environment or in a file, and return the exit status."""
    asked = _parse(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    # PyTorch's C++ prints its stack whenever a worker is waited for or gone, which has a message of its own here.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # Before 2.10 PyTorch does no deterministic matrix product on a GPU without it: pytorch/pytorch pull request 161749.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    result_file = _result_file()
    with stopping.in_time(GRACE_S, lambda: _end(TERMINATED)):
        outcome = _outcome(asked)
        _ignore_signals()  # the end is near, and the Outcome must be whole
    for_people = asked.config is not None and sys.stdout.isatty()
    sys.stdout.write((result.describe(outcome) if for_people else result.render(outcome)) + "\n")
    sys.stdout.flush()
    if outcome.code == HELPED:
        return 0
    if result_file is not None:
        result.write(result_file, outcome)
    if outcome.code not in VERDICTS:
        return 1
    if asked.config is None:
        work.done(Settings.read(os.environ))
    return 0 if outcome.accepted or asked.config is None else REFUSED


def _outcome(asked: argparse.Namespace) -> Outcome:
    try:
        return _run_config(asked.config) if asked.config is not None else _run_order(asked.order)
    except Terminated:
        return TERMINATED
    except Exception as error:  # noqa: BLE001 (the process's edge: whatever it is must reach the Outcome)
        known = classify(error)
        if isinstance(known, InternalError):
            traceback.print_exc()
        return Outcome(code=known.code, message=str(known))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="edgemodel-distill",
        description="Distils a teacher into a small student, and ships it only when the gates let it.",
        epilog=f"{EXAMPLE}\nExit status: 0 accepted, 3 refused (of an order: 0 too), 1 an error.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--config", type=Path, metavar="FILE", help="what to do as YAML, without a cluster: see below")
    what.add_argument("--order", type=Path, metavar="FILE", help=f"a Job's order as JSON (default: ${ORDER_VARIABLE})")
    return parser.parse_args(arguments)


def _run_order(file: Path | None) -> Outcome:
    order = _read_order(file)
    settings = Settings.read(os.environ)
    with work.of_a_job(settings) as folder:
        return _distil(order, settings, folder)


def _run_config(file: Path) -> Outcome:
    from edgemodel_distill import launch, local  # noqa: PLC0415 (see _distil)

    wanted, folder = local.read(file)
    sys.path.append(str(folder))  # a student of one's own may lie there; what is installed goes first
    settings = Settings.read(os.environ)
    if wanted.signing_key is not None:
        settings = replace(settings, signing_key=folder / wanted.signing_key)
    # Not a temporary folder: what an interrupted run left is used by the next one.
    progress = work.writable((settings.work or folder / work.FOLDER / file.stem).resolve())
    with work.alone_in(progress):
        order = local.order_of(wanted, folder, progress / "given", _client(settings))
        with launch.helpers(order, wanted.workers, progress) as post:
            outcome = _distil(order, replace(settings, post=post), progress)
        if outcome.accepted and settings.work is None:
            shutil.rmtree(progress)
    student = str(progress / work.CANDIDATE) if outcome.code == "Rejected" else _folder(order.push)
    if student and outcome.code in {"Accepted", "Rejected"}:
        return outcome.model_copy(update={"message": f"{outcome.message}; the student is in {student}"})
    return outcome


def _folder(uri: str) -> str:
    return uri.removeprefix("file://") if uri.startswith("file://") else ""


def _distil(order: Order, settings: Settings, folder: Path) -> Outcome:
    # Imported late: PyTorch takes seconds, and SIGTERM has to be heard from the first.
    from edgemodel_distill import job, meeting, metrics, progress, trust  # noqa: PLC0415

    key = trust.signing_key(order, settings) if settings.post.rank == 0 else None
    watch = progress.watch_for(sys.stdout)
    hung = NoProgress(f"nothing was done for {settings.patience} seconds; where it hangs is in the log")
    with (
        meeting.meet(settings.post, settings.patience, _give_up) as workers,
        heartbeat.watched(settings.patience, lambda: _give_up(hung, workers)),
        metrics.served(watch, order.name, settings) as told,
    ):
        if not workers.leads:
            return _help(order, settings, folder, told, workers)
        return job.run(order, _client(settings), folder, told, threads=settings.threads, key=key, crew=workers)


def _help(order: Order, settings: Settings, folder: Path, watch: "Watch", workers: "Crew") -> Outcome:
    from edgemodel_distill import helper  # noqa: PLC0415 (see _distil)

    helper.run(order, folder, watch, settings.threads, workers)
    return Outcome(code=HELPED, message=f"worker {workers.rank} of {workers.size}; worker 0 has the result")


def _give_up(error: DistillError, workers: "Crew") -> None:
    """End with `error`, and let the other workers know if they can be reached."""
    telling = threading.Thread(target=workers.tell, args=(error.code, str(error)), daemon=True)
    telling.start()
    telling.join(_TELLING_S)
    _end(Outcome(code=error.code, message=str(error)))


def _end(outcome: Outcome) -> None:
    """The main thread hangs, maybe in a library's code: nothing but the process's end gets it out of there."""
    faulthandler.dump_traceback()
    file = _result_file()
    if file is not None:
        result.write(file, outcome)
    os._exit(1)


def _client(settings: Settings) -> "Client":
    from edgemodel_registry import Client  # noqa: PLC0415 (see _distil)

    return Client(settings.registry_ca, settings.docker_config)


def _read_order(file: Path | None) -> Order:
    try:
        text = file.read_text() if file is not None else os.environ.get(ORDER_VARIABLE)
        if text is None:
            raise BadOrder(f"there is no order: give --config FILE (see --help), or set {ORDER_VARIABLE}")
        return distillation.parse(text)
    except (OSError, UnicodeDecodeError, OrderError) as error:
        raise BadOrder(str(error)) from error


def _result_file() -> Path | None:
    name = os.environ.get("EDGEMODEL_RESULT")
    return Path(name) if name else None


def _ignore_signals() -> None:
    for number in stopping.SIGNALS:
        if signal.getsignal(number) is _terminate:
            signal.signal(number, signal.SIG_IGN)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    _ignore_signals()
    if not STOP.gently:
        raise Terminated
    STOP.asked = True


def command() -> NoReturn:
    """Run the process's arguments and leave at once.

    PyTorch takes a second of computing to be taken down tidily, and its threads may crash the process meanwhile.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # shells let their background jobs ignore it
        signal.signal(signal.SIGINT, _terminate)
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    command()
