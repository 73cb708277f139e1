"""Tables that `Stamps` asks, and a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from query_api.questions import Rows


class Tables:
    """Answers the questions of `Stamps` from versions by (user, source), slowly; remembers them."""

    def __init__(self, progress: dict[int, int], cells: dict[tuple[int, int], int]) -> None:
        self.progress = progress
        self.cells = cells
        self.erasures = ""
        self.erased: Rows = []
        self.asked: list[str] = []
        self.is_failing = False
        self.day = 10**9
        self.system: list[dict[str, int]] = []

    async def ask(self, question: str, sql: str, parameters: Mapping[str, Any]) -> Rows:
        self.asked.append(question)
        await asyncio.sleep(0.01)
        if self.is_failing:
            raise OSError("gone")
        if question == "source_progress":
            return [
                {
                    "source": s,
                    "next_offset": n,
                    "partitions": 1,
                    "as_of_ms": n * 1000,
                    "erasures": self.erasures,
                }
                for s, n in self.progress.items()
            ]
        if question == "erased_users":
            return self.erased
        if question == "system_stamps":
            return [row for row in self.system if row["day"] < parameters["before"]]
        rows = [
            {
                "user_id": user,
                "source": source,
                "newest": version,
                "day": self.day,
            }
            for (user, source), version in self.cells.items()
        ]
        assert question == "changed_users"
        since = dict(zip(parameters["sources"], parameters["positions"], strict=True))
        found = [row for row in rows if row["newest"] >= since.get(row["source"], 1 << 63)]
        return found[: parameters["page_rows"]]

    def questions(self) -> list[str]:
        asked, self.asked = self.asked, []
        return asked


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
