"""Fetches a small document by HTTP(S) from an address that an operator has set, within limits.

No redirect is followed and no environment's proxy used; certificates are checked.
"""

from __future__ import annotations

from time import monotonic

import urllib3

MAX_BYTES = 256 * 1024
DEADLINE_S = 5.0
_TIMEOUT = urllib3.Timeout(connect=2.0, read=2.0)
_CHUNK_BYTES = 16 * 1024


class FetchError(Exception):
    """What came is not what was asked for; the text is for operators."""


def fetch(url: str) -> bytes:
    """The body of a 200; blocks up to `DEADLINE_S` and a read. Raises FetchError, HTTPError or
    OSError."""
    deadline = monotonic() + DEADLINE_S
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    with (
        urllib3.PoolManager(num_pools=1, retries=False, timeout=_TIMEOUT) as pool,
        pool.request(
            "GET", url, headers=headers, redirect=False, preload_content=False, decode_content=False
        ) as answer,
    ):
        if answer.status != 200:
            raise FetchError(f"status {answer.status} instead of 200")
        body = b""
        # A read gives what has come, so that a server that drips cannot stretch it.
        while chunk := answer.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > MAX_BYTES:
                raise FetchError(f"more than {MAX_BYTES} bytes")
            if monotonic() > deadline:
                raise FetchError(f"not complete within {DEADLINE_S:g} s")
    return body
