"""``edgemodel-operator``: reads its settings from the environment and runs until SIGTERM."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Iterator

from pydantic import ValidationError

from edgemodel_operator import logs
from edgemodel_operator.program import Program
from edgemodel_operator.settings import Settings


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="edgemodel-operator", description=__doc__, epilog=_variables())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.parse_args()
    try:
        settings = Settings()
    except ValidationError as error:
        sys.stderr.writelines(f"edgemodel-operator: {line}\n" for line in _problems(error))
        return 2
    logs.configure(settings.log_level)
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Program(settings).run(stop)


def _problems(error: ValidationError) -> Iterator[str]:
    for item in error.errors():
        name = f"OPERATOR_{'_'.join(map(str, item['loc'])).upper()}"
        missing = item["type"] == "missing"
        yield f"{name}: not set, and needed" if missing else f"{name}: {item['msg']}, got {item['input']!r:.80}"


def _variables() -> str:
    rows = (
        f"  OPERATOR_{name.upper()}{' (needed)' if field.is_required() else f' (default {field.default})'}"
        for name, field in Settings.model_fields.items()
    )
    return "environment:\n" + "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
