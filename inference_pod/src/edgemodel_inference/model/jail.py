"""The jail: a child process with limits that opens an untrusted model first and runs its golden inputs.

Run as ``python -m edgemodel_inference.model.jail FOLDER SECONDS``: limits its memory before it imports anything that
reads the artifact, its computing once that is imported (which takes a slow board as long as a model), and prints one
JSON object: code (``Proved`` or that of a refusal) and message.
"""

import contextlib
import json
import math
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

from edgemodel_inference.errors import InferenceError, Refused, TooMuchMemory
from edgemodel_inference.model.sandbox import cut_off

SECONDS = 5
"""Of computing. What a sound bundle needs is under a second on a desktop and a few on a small board."""
BY_THE_CLOCK = 1.6
"""Seconds that each of computing may take, besides …"""
START = 20.0
"""… those in which a slow board starts Python and ONNX Runtime, and what is waited for a processor that is busy …"""
LONGEST = 60.0
"""… with others, up to these."""
BASE_MEMORY = 512 * 1024 * 1024
"""Bytes of data that the interpreter, onnx and ONNX Runtime may take; a model gets four times its size besides."""


def try_bundle(folder: Path, seconds: int = SECONDS) -> None:
    """Open the bundle in a child process, with so many seconds of computing, and return when its outputs are right.

    Raises:
        Refused: they did not, or the child died or ran out of time.
    """
    command = [sys.executable, "-I", "-m", "edgemodel_inference.model.jail", str(folder), str(seconds)]
    # No variable of ours reaches the child but what its libraries need to stay small.
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    ended = _run(command, environment, START + BY_THE_CLOCK * seconds)
    if ended.returncode == -signal.SIGXCPU:
        raise Refused(
            "TooSlow",
            f"opening it and its golden inputs take this machine more than {seconds} s of computing; "
            "EDGEMODEL_TRIAL_SECONDS allows more (in a cluster spec.serving.trialTime)",
        )
    if ended.returncode == -signal.SIGKILL:
        raise Refused("JailOutOfMemory", "the kernel ended it, most likely for want of memory")
    if ended.returncode < 0:
        raise Refused("JailCrashed", f"opening it ends the process by signal {-ended.returncode}")
    try:
        report = json.loads(ended.stdout)
        code, message = str(report["code"]), str(report["message"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("JailFailed", f"exit code {ended.returncode}: {ended.stderr[-300:]!r}") from error
    if code != "Proved":
        raise Refused(code, message)


def _run(command: list[str], environment: dict[str, str], seconds: float) -> "subprocess.CompletedProcess[bytes]":
    began = time.monotonic()
    end, pipe = began + seconds, subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as child:
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                out, err = child.communicate(timeout=left)
                return subprocess.CompletedProcess(command, child.returncode, out, err)
            end = began + seconds + min(_kept_waiting(child.pid), LONGEST)
        child.kill()
    raise Refused("JailTimeout", f"no result within {seconds:.0f} s")


def _kept_waiting(process: int) -> float:
    """Seconds that `process` could have run in, and others did; 0 where the kernel does not tell.

    https://docs.kernel.org/scheduler/sched-stats.html: the second number, in nanoseconds.
    """
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def limit(model_size: int) -> None:
    """Put this process under the jail's limits, but for computing."""
    for what, value in (
        (resource.RLIMIT_DATA, BASE_MEMORY + 4 * model_size),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(what, (value, value))
    with contextlib.suppress(OSError):  # not writable everywhere; then the kernel chooses by size alone
        Path("/proc/self/oom_score_adj").write_text("1000")


def limit_computing(seconds: int) -> None:
    """From now on this process has so many seconds of the processor."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    end = math.ceil(usage.ru_utime + usage.ru_stime + seconds)
    # The soft limit sends SIGXCPU, which tells this end from others; SIGKILL a second later makes sure of it.
    resource.setrlimit(resource.RLIMIT_CPU, (end, end + 1))


def judge(folder: Path, seconds: int) -> None:
    """Open the bundle here, under the limits.

    Raises:
        InferenceError: why it must not serve.
    """
    from edgemodel.bundle import CARD, GOLDEN, MODEL  # noqa: PLC0415 (nothing is read before the limits stand)

    for name, code in ((MODEL, "NotOnnx"), (CARD, "CardInvalid"), (GOLDEN, "GoldenInvalid")):
        _need_own_file(folder / name, code)
    limit((folder / MODEL).stat().st_size)
    cut_off()
    from edgemodel.wish import Artifact  # noqa: PLC0415 (imports under the limits)
    from edgemodel_inference.model import golden, models  # noqa: PLC0415 (imports under the limits)
    from edgemodel_inference.model.walk import walk  # noqa: PLC0415 (imports under the limits)

    limit_computing(seconds)
    walk(folder / MODEL)
    unnamed = Artifact(name="jail", uri="file:///", digest="sha256:" + "0" * 64)
    model = models.open_model(folder, unnamed, threads=1)
    golden.compare(model, golden.read_golden(folder, model.card))


def _need_own_file(path: Path, code: str) -> None:
    """Refuse what is not a regular file with one name: opening a FIFO waits, and a link is another's file."""
    status = path.lstat() if os.path.lexists(path) else None
    if status is None or not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise Refused(code, f"{path.name}: want a regular file with one name")


def main() -> None:
    """The child process."""
    try:
        judge(Path(sys.argv[1]), int(sys.argv[2]))
    except Refused as error:
        report = {"code": error.code, "message": str(error).removeprefix(f"{error.code}: ")}
    except TooMuchMemory as error:
        report = {"code": "TooMuchMemory", "message": str(error)}
    except InferenceError as error:
        report = {"code": "GoldenMismatch", "message": str(error)}
    except MemoryError:
        report = {"code": "TooMuchMemory", "message": "takes more memory than a model of its size may"}
    else:
        report = {"code": "Proved", "message": ""}
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
