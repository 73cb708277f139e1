"""Users side by side: which page is asked for, and its rows as an answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from query_api.cursor import CursorSigner
from query_api.measures import ratio, usd
from query_api.parameters import SystemParameters
from query_api.questions import Page, Row, Rows
from schemas.api.system import Spender, UserUsage

TOP_SPENDERS = 10
_SIGNS: dict[str, Literal[1, -1]] = {"desc": 1, "asc": -1}


@dataclass(frozen=True)
class Comparison:
    """`page` is the page to query: one row more than `limit`, which tells whether another follows.

    `asked` names the question that its cursors belong to.
    """

    page: Page
    limit: int
    asked: str
    signer: CursorSigner

    def visible(self, rows: Rows) -> Rows:
        """The rows of this page."""
        return rows[: self.limit]

    def next_cursor(self, rows: Rows) -> str | None:
        """The cursor of the page behind these rows, None on the last."""
        if len(rows) <= self.limit:
            return None
        last = rows[self.limit - 1]
        return self.signer.cursor(last["sort_key"], last["user_id"], self.asked)


def comparison_of(parameters: SystemParameters, signer: CursorSigner) -> Comparison:
    """What the parameters ask for; raises `InvalidParametersError` for a cursor not of ours."""
    asked = parameters.asked()
    after = None
    if parameters.cursor is not None:
        key, user_id = signer.after(parameters.cursor, asked)
        after = (key, int(user_id))
    page = Page(parameters.order_by, _SIGNS[parameters.order], parameters.limit + 1, after)
    return Comparison(page, parameters.limit, asked, signer)


def in_order(rows: Rows, place: Literal["place", "spender"]) -> Rows:
    """The rows that have a place, in its order."""
    return sorted((row for row in rows if row[place]), key=lambda row: int(row[place]))


def user_usage(rows: Rows, all_messages: int) -> list[UserUsage]:
    """Each user's numbers and share of all messages."""
    return [_user_usage(row, all_messages) for row in rows]


def _user_usage(row: Row, all_messages: int) -> UserUsage:
    return UserUsage(
        user_id=row["user_id"],
        messages=row["messages"],
        segments=row["segments"],
        success_rate=ratio(row["good"], row["good"] + row["bad"]),
        cost_usd=usd(row["cost_micros"]),
        cost_micros=row["cost_micros"],
        share=ratio(row["messages"], all_messages),
    )


def spenders(rows: Rows, all_micros: int) -> list[Spender]:
    """The users who cost most and their share of the whole cost."""
    return [
        Spender(
            user_id=row["user_id"],
            cost_usd=usd(row["cost_micros"]),
            cost_micros=row["cost_micros"],
            messages=row["messages"],
            share=ratio(row["cost_micros"], all_micros),
        )
        for row in rows
    ]
