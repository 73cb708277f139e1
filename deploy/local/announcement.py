"""What `up` prints once everything works: where things are, two tokens, a first question."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from deploy.data_dir import DataDirectory
from deploy.local.api_client import TOTALS_PATH
from deploy.runtime import Runtime
from deploy.tokens import development_token
from schemas.topics import USAGE

EXAMPLE_USER = 1
"""The simulated router's busiest user."""
_DAY_S = 86_400


@dataclass(frozen=True)
class Announcement:
    """The addresses and tokens of one `up`."""

    runtime: Runtime
    logs: Path
    user_token: str
    admin_token: str

    @staticmethod
    def of(runtime: Runtime, directory: DataDirectory) -> Announcement:
        """An announcement with tokens that are good for a day."""
        now = int(time.time())
        user, admin = (
            development_token(directory, EXAMPLE_USER, roles, issued_at=now, expires_in_s=_DAY_S)
            for roles in (["user"], ["user", "admin"])
        )
        return Announcement(runtime, directory.path / "logs", user, admin)

    @property
    def text(self) -> str:
        """Several lines for standard output; the last one is a command to try."""
        api = self.runtime.api_url
        return f"""
API           {api}/api/v1/analytics
Documentation {api}/docs
Kafka         {self.runtime.kafka_url.removeprefix("kafka://")} (topic {USAGE})
Logs          {self.logs}
Token, user {EXAMPLE_USER} {self.user_token}
Token, admin  {self.admin_token}

Ask it (Ctrl-C here stops everything):
curl -s -H 'Authorization: Bearer {self.user_token}' {api}{TOTALS_PATH}
"""
