"""ClickHouse's error codes: read from a message, answered as the HTTP status a server would give.

Source of the statuses: `exceptionCodeToHTTPStatus` in ClickHouse's HTTP handler.
"""

from __future__ import annotations

import re
from http import HTTPStatus

UNKNOWN_EXCEPTION = 1002
AUTHENTICATION_FAILED = 516
BAD_ARGUMENTS = 36
TOO_MANY_QUERIES = 202
TOO_LARGE = 307

_CODE = re.compile(r"Code: (\d+)\. ")
_STATUSES = {
    HTTPStatus.UNAUTHORIZED: {194, AUTHENTICATION_FAILED},
    HTTPStatus.FORBIDDEN: {192, 193, 497},
    HTTPStatus.NOT_FOUND: {46, 47, 50, 56, 60, 63, 73, 81, 115, 336, 511},
    HTTPStatus.BAD_REQUEST: {
        *(6, 26, 27, 36, 38, 41, 42, 43, 53, 57, 62, 69, 70, 71, 72, 82, 117, 130, 131, 164),
        *(215, 386, 456, 457),
    },
    HTTPStatus.REQUEST_TIMEOUT: {159},
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: {TOO_LARGE},
    HTTPStatus.NOT_IMPLEMENTED: {48},
    HTTPStatus.SERVICE_UNAVAILABLE: {TOO_MANY_QUERIES, 209, 439},
}
_STATUS_OF = {code: status for status, codes in _STATUSES.items() for code in codes}


class ClickHouseError(Exception):
    """A failed query: ClickHouse's `code` and `message`, as a server would send them."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status that a ClickHouse server answers this code with."""
        return _STATUS_OF.get(self.code, HTTPStatus.INTERNAL_SERVER_ERROR)


def named(code: int, sentence: str) -> ClickHouseError:
    """An error of this server's own, worded like ClickHouse's."""
    return ClickHouseError(code, f"Code: {code}. DB::Exception: {sentence}")


def from_engine(text: str) -> ClickHouseError:
    """The error that an engine message stands for; whatever precedes its code is cut off."""
    if match := _CODE.search(text):
        return ClickHouseError(int(match[1]), text[match.start() :].strip())
    return named(UNKNOWN_EXCEPTION, text.strip() or "the engine gave no reason")
