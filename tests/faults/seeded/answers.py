"""What the API answers after a run, against the oracle: the system, and some users by turns."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import jwt
from fastapi.testclient import TestClient

from query_api.app import create_app
from query_api.settings import ApiSettings
from tests.oracle import periods
from tests.oracle.answers import Oracle
from tests.oracle.compare import differences
from tests.oracle.messages import Message

_SECRET = "only-for-fault-runs-0123456789abcdef"
_RANGE = {"time_range": "90d", "timezone": "Europe/Lisbon"}
_USERS = 5


def wrong_answers(url: str, folded: Sequence[Message], turn: int) -> list[str]:
    """Where the API differs from what all messages come to."""
    oracle = Oracle(folded)
    users = [oracle.users[(turn + number * 7) % len(oracle.users)] for number in range(_USERS)]
    settings = ApiSettings(
        jwt_secret=_SECRET, clickhouse_url=url, user_requests_per_minute=0, cache_mb=0
    )
    with TestClient(create_app(settings), headers=_admin()) as client:
        logging.getLogger("query_api.access").setLevel(logging.WARNING)
        system = _get(client, "/admin/sms-analytics/system", limit="100")
        wrong = differences(system, oracle.system(_asked(system)))
        for user in users:
            answer = _get(client, f"/admin/users/{user}/sms-analytics")
            found = differences(answer, oracle.user(user, _asked(answer)))
            wrong += [f"user {user}: {line}" for line in found]
    return [f"API: {line}" for line in wrong]


def _admin() -> dict[str, str]:
    now = int(time.time())
    claims = {"sub": "1", "roles": ["admin"], "iss": "sms-analytics", "aud": "sms-analytics-api"}
    token = jwt.encode({**claims, "iat": now, "exp": now + 600}, _SECRET)
    return {"Authorization": f"Bearer {token}"}


def _get(client: TestClient, path: str, **options: str) -> Any:
    answer = client.get(f"/api/v1/analytics{path}", params={**_RANGE, **options})
    answer.raise_for_status()
    return answer.json()


def _asked(answer: Any) -> periods.Question:
    """The question as the oracle takes it: asked when the API answered."""
    now, as_of = (
        datetime.fromisoformat(answer[name]).timestamp() for name in ("generated_at", "data_as_of")
    )
    return periods.named(_RANGE["time_range"], _RANGE["timezone"], now, round(as_of * 1000))
