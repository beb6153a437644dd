"""Runs a command to its end and turns a failure into an error that quotes it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from lab.errors import LabError

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
QUOTED_LINES = 15

T = TypeVar("T")


def run(  # noqa: PLR0913 - the options of subprocess.run that are used here
    argv: Sequence[str | Path],
    *,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    log: Path | None = None,
    timeout_s: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `argv`; what it prints is returned, or goes to `log`.

    `env` is added to this process's environment. Raises LabError where the command is missing, fails (with `check`)
    or takes longer than `timeout_s`.
    """
    command = [str(part) for part in argv]
    environment = {**os.environ, **(env or {})}
    environment["PATH"] = f"{environment.get('PATH', '')}:{SYSTEM_PATH}"
    try:
        if log is None:
            done = subprocess.run(
                command, check=False, env=environment, cwd=cwd, input=stdin, text=True, timeout=timeout_s,
                capture_output=True,
            )  # fmt: skip
        else:
            with log.open("w") as sink:
                done = subprocess.run(
                    command,
                    check=False,
                    env=environment,
                    cwd=cwd,
                    input=stdin,
                    text=True,
                    timeout=timeout_s,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                )
    except FileNotFoundError as error:
        raise LabError(f"{command[0]}: command not found") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{shlex.join(command)}: still running after {timeout_s:.0f} s") from error
    if check and done.returncode != 0:
        said = log.read_text(errors="replace") if log else done.stderr or done.stdout
        tail = "\n".join(said.strip().splitlines()[-QUOTED_LINES:])
        where = f" (all of it: {log})" if log else ""
        raise LabError(f"{shlex.join(command)}: exit status {done.returncode}{where}\n{tail}")
    return done


def find(command: str) -> str | None:
    """The full path of a command, also where root's folders are not in PATH."""
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def until(what: str, probe: Callable[[], T | None], timeout_s: float, hint: str = "", interval_s: float = 0.2) -> T:
    """Ask `probe` until it gives something. Raises LabError naming `what` and `hint` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = probe()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise LabError(f"{what}: did not happen within {timeout_s:.0f} s{'; ' + hint if hint else ''}")
        time.sleep(interval_s)


def wait_for(what: str, probe: Callable[[], bool], timeout_s: float, hint: str = "", interval_s: float = 0.2) -> None:
    """Ask `probe` until it says yes. Raises LabError naming `what` and `hint` after `timeout_s`."""
    until(what, lambda: probe() or None, timeout_s, hint, interval_s)
