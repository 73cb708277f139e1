"""Structured logs: one JSON object a line on standard output.

No phone number and no token ever gets here: paths are logged as route templates, headers and
query strings not at all.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

ACCESS = logging.getLogger("query_api.access")
_JSON = json.JSONEncoder(ensure_ascii=False)
_FIELDS = ("request_id", "method", "route", "status", "duration_ms", "user_id")


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, the fields of a request and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: record.__dict__[name] for name in _FIELDS if name in record.__dict__}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return _JSON.encode(entry)


def configure() -> None:
    """Give the API's loggers a handler, unless whoever started the process gave them one."""
    logger = logging.getLogger("query_api")
    if logger.hasHandlers():
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
