"""The answer of `GET /admin/sms-analytics/system`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from schemas.api.costs import CostBreakdown, Projection
from schemas.api.usage import BreakdownItem, Delivery, Granularity, Period, Ratio, UsagePoint


class SystemMetrics(BaseModel):
    """Totals of every message, those of unknown users included."""

    total_messages: int
    inbound_messages: int
    outbound_messages: int
    total_segments: int
    total_message_length: int
    active_users: int = Field(description="Distinct known users with at least one message.")
    success_rate: Ratio | None
    average_processing_time_ms: float | None
    delivery: Delivery
    by_country: list[BreakdownItem]
    granularity: Granularity
    points: list[UsagePoint]


class UserUsage(BaseModel):
    """One user's part; `share` is of all messages of the system."""

    user_id: int
    messages: int
    segments: int
    success_rate: Ratio | None
    cost_usd: float
    cost_micros: int
    share: float | None


class Spender(BaseModel):
    """One of the users who cost most; `share` is of the total cost."""

    user_id: int
    cost_usd: float
    cost_micros: int
    messages: int
    share: float | None


class Anomaly(BaseModel):
    """A local hour whose cost lies far from the median of its hour of the week."""

    start: datetime
    cost_usd: float
    cost_micros: int
    median_cost_usd: float
    median_cost_micros: int
    deviation: float = Field(description="Robust z-score: (cost − median) / (1.4826 · MAD).")
    kind: Literal["spike", "drop"]


class CostAnalysis(CostBreakdown):
    """The system's cost, who causes it, where it goes and what was out of the ordinary."""

    projection: Projection | None
    top_spenders: list[Spender]
    anomalies: list[Anomaly]
    anomaly_method: str


class SystemAnalytics(BaseModel):
    """The whole system's usage in a period."""

    time_range: str = Field(description="As asked for; `custom` for start and end.")
    period: Period
    system_metrics: SystemMetrics
    user_comparison: list[UserUsage]
    next_cursor: str | None = Field(
        description="Ask again with `cursor` set to it for the next page; null on the last."
    )
    cost_analysis: CostAnalysis
    generated_at: datetime
    data_as_of: datetime | None
