"""The answer of `GET /admin/sms-performance`: how the system does right now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from schemas.api.health import Status
from schemas.api.usage import Period

Percent = Annotated[float, Field(ge=0, le=100)]


class RealTimeMetrics(BaseModel):
    """Totals of whole minutes in the window, the running one included."""

    total_messages: int
    success_rate_percent: Percent | None = Field(description="0–100; null when none is settled.")
    average_response_time_ms: float | None = Field(description="Time in the router.")
    active_users: int = Field(
        description="Distinct known users in the quarters of an hour that the window touches."
    )
    peak_hour: int | None = Field(ge=0, le=23, description="Local; the earliest of equals.")
    messages_per_minute: float


class Component(BaseModel):
    """One part of the system; `lag_events` and `lag_seconds` are of the component `lag` only."""

    name: str
    status: Status
    detail: str
    lag_events: int | None = None
    lag_seconds: float | None = None


class SystemHealth(BaseModel):
    """`ok` when every component is, else `degraded`."""

    status: Literal["ok", "degraded"]
    components: list[Component]


class SystemPerformance(BaseModel):
    """The last hours of the whole system. What is not answered yet is in `absent`."""

    window: str
    period: Period
    real_time_metrics: RealTimeMetrics
    system_health: SystemHealth
    absent: list[str]
    generated_at: datetime
    data_as_of: datetime | None
