"""Logs: one JSON object per line on standard output, the same for supervisor and worker.

The standard library's logging with a formatter of a few lines: the supervisor, which must stay small, writes
them too.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO


class Log:
    """Events of one component: a short fixed text, and fields."""

    def __init__(self, component: str) -> None:
        self._logger = logging.getLogger(component)

    def debug(self, event: str, **fields: object) -> None:
        self._logger.debug(event, extra={"fields": fields})

    def info(self, event: str, **fields: object) -> None:
        self._logger.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: object) -> None:
        self._logger.warning(event, extra={"fields": fields})

    def error(self, event: str, cause: BaseException | None = None, **fields: object) -> None:
        self._logger.error(event, extra={"fields": fields}, exc_info=cause)


class JsonFormatter(logging.Formatter):
    """One JSON object per record; its fields are those of docs/log.schema.json."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "component": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class _Output(logging.StreamHandler[TextIO]):
    """Standard output."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the base class's name)
        """Let the record go where nobody reads any more, or the disk is full: serving goes on."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def configure() -> None:
    """Send all logs of this process to standard output; libraries' from WARNING on, and what Python itself warns of."""
    logging.captureWarnings(capture=True)
    handler = _Output(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("edgemodel").setLevel(logging.INFO)
