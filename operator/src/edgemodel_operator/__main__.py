"""``edgemodel-operator``: reads its settings from the environment and runs until SIGTERM."""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator

import structlog
from pydantic import ValidationError

from edgemodel_operator import logs
from edgemodel_operator.errors import WatchEnded
from edgemodel_operator.program import Program, stop_on_signals
from edgemodel_operator.settings import HIDDEN, Settings

PAUSES = (1.0, 2.0, 5.0, 10.0)
"""Seconds before everything starts anew when the watches have ended; less than liveness probes put up with."""
LONG_LIFE = 60.0
"""Seconds after which what ended the watches before is forgotten."""

log = structlog.get_logger()


def main() -> int:
    """Entry point; returns the exit code."""
    about = "Looks after the EdgeModels of a cluster until SIGTERM. It is told by its environment what to do."
    parser = argparse.ArgumentParser(prog="edgemodel-operator", description=about, epilog=_variables())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.parse_args()
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.writelines(f"edgemodel-operator: {line}\n" for line in _problems(error))
        return 2
    logs.configure(settings.log_level)
    short_lives = 0
    while True:
        began = time.monotonic()
        if asyncio.run(_live(settings, PAUSES[min(short_lives, len(PAUSES) - 1)])):
            return 0
        short_lives = 0 if time.monotonic() - began > LONG_LIFE else short_lives + 1


async def _live(settings: Settings, pause: float) -> bool:
    """Run until somebody says stop; False: the watches ended before, and after a pause everything is to start anew.

    What API servers answer while they are upgraded ends kopf: 4xx at once, 5xx and 403 when they go on for a minute.
    What is remembered is in the statuses, so another start costs nothing; the kubelet's back-off would cost minutes.
    """
    stop = asyncio.Event()
    stop_on_signals(stop)
    try:
        await Program(settings).run(stop)
    except WatchEnded as error:
        log.error("the watches have ended; starting anew", error=str(error), seconds=pause)  # noqa: TRY400 (kopf has told where)
    else:
        return True
    stop.clear()
    try:
        await asyncio.wait_for(stop.wait(), pause)
    except TimeoutError:
        return False
    return True


def _problems(error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        name = f"OPERATOR_{'_'.join(map(str, item['loc'])).upper()}"
        match item["type"]:
            case "missing":
                yield f"{name}: not set, and needed"
            case kind if kind == HIDDEN:
                yield f"{name}: {item['msg']}"
            case _:
                yield f"{name}: {item['msg']}, got {item['input']!r:.80}"


def _variables() -> str:
    fields = {f"OPERATOR_{name.upper()}": field for name, field in Settings.model_fields.items()}
    width = max(map(len, fields))
    rows = (
        f"  {name:<{width}}  {field.description} "
        + (
            "(needed)"
            if field.is_required()
            else f"(default: {'none' if field.default in ('', None) else field.default})"
        )
        for name, field in fields.items()
    )
    return "environment:\n" + "\n".join(rows)


def _or_none(default: object) -> object:
    return "none" if default in ("", None) else default


if __name__ == "__main__":
    sys.exit(main())
