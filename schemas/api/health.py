"""Answers of the routes at the root that tell a supervisor how the process is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from schemas.api.problems import Problem

Status = Literal["ok", "degraded", "failed", "unknown"]


class Health(BaseModel):
    """The process lives and answers; nothing else was asked."""

    status: Literal["ok"] = "ok"


class Check(BaseModel):
    """One condition of readiness.

    `unknown` when it could not be looked at; `degraded` when answers are right all the same.
    """

    name: Literal[
        "clickhouse", "migrations", "worker", "lag", "positions", "rates", "redis", "tokens"
    ]
    status: Status
    detail: str


class Readiness(BaseModel):
    """Everything that an answer needs is in place."""

    ready: Literal[True] = True
    checks: list[Check]


class Unreadiness(Problem):
    """A problem document that also carries the checks."""

    ready: Literal[False] = False
    checks: list[Check]
