"""Asks the API of a running `up`, as its own start and the doctor do."""

from __future__ import annotations

import json
from typing import Any

import urllib3

_TIMEOUT_S = 5.0
TOTALS_PATH = "/api/v1/analytics/me/sms-analytics"


class ApiClient:
    """A client of one API address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT_S)

    def unready(self) -> str | None:
        """Why `/readyz` does not say ready, None when it does."""
        status, body = self._get("/readyz")
        if status == 200:
            return None
        return f"the API does not answer yet ({body})" if status == 0 else body

    def without_messages(self, token: str) -> str | None:
        """Why the token's user has no messages in the last 30 days, None when there are some."""
        status, body = self._get(TOTALS_PATH, token)
        if status != 200:
            return f"{status} {body}"
        answer: dict[str, Any] = json.loads(body)
        return None if answer["usage_summary"]["total_messages"] else "none has arrived"

    def _get(self, path: str, token: str = "") -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            response = self._pool.request("GET", self._url + path, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            return 0, type(error).__name__
        return response.status, response.data.decode(errors="replace")
