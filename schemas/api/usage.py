"""The answer of `GET /me/sms-analytics` and `GET /admin/users/{user_id}/sms-analytics`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

Ratio = Annotated[float, Field(ge=0, le=1)]
Granularity = Literal["15min", "hour", "day"]
Direction = Literal["up", "down", "flat"]


class Period(BaseModel):
    """What the answer covers: [start, end) in local time of `timezone`."""

    start: datetime
    end: datetime
    timezone: str


class CountryCount(BaseModel):
    """Messages to and from one country (`ZZ` when it is not known)."""

    country_code: str
    messages: int


class UsagePatterns(BaseModel):
    """Messages by local hour and weekday; peaks are the earliest of equals, null without any."""

    hourly_distribution: list[int] = Field(min_length=24, max_length=24)
    weekday_distribution: list[int] = Field(min_length=7, max_length=7, description="Monday first.")
    peak_hour: int | None = Field(ge=0, le=23)
    peak_weekday: int | None = Field(ge=0, le=6, description="0 is Monday.")
    top_countries: list[CountryCount]


class UsageSummary(BaseModel):
    """Totals of the period. `success_rate` = settled good / all settled, null when none is."""

    total_messages: int
    inbound_messages: int
    outbound_messages: int
    total_segments: int
    success_rate: Ratio | None
    average_processing_time_ms: float | None
    total_message_length: int = Field(description="Characters of all message bodies.")
    usage_patterns: UsagePatterns


class UsagePoint(BaseModel):
    """One interval of the trend, beginning at `start` (local, with its offset)."""

    start: datetime
    messages: int
    inbound: int
    outbound: int
    segments: int
    success_rate: Ratio | None
    cost_usd: float
    cost_micros: int


class PreviousUsage(BaseModel):
    """The period of the same length just before."""

    start: datetime
    end: datetime
    total_messages: int


class UsageTrends(BaseModel):
    """Usage over time, zero-filled, and its change against the previous period.

    `previous_period` is null beyond retention; `change_ratio` is null when it has no messages.
    """

    granularity: Granularity
    points: list[UsagePoint]
    previous_period: PreviousUsage | None
    change_ratio: float | None
    direction: Direction | None


class ProcessingTime(BaseModel):
    """Time in the router in ms, over the messages that have one; percentiles within 1 %."""

    average: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


class Delivery(BaseModel):
    """Outbound messages by outcome. `unknown`: still in flight 72 h before `data_as_of`."""

    delivered: int
    failed: int
    in_flight: int
    unknown: int
    canceled: int
    receipt_coverage: Ratio | None = Field(
        description="Settled outbound messages / all outbound messages not canceled."
    )


class ErrorCodeCount(BaseModel):
    """Messages whose current state bears an error code; unknown codes have no description."""

    error_code: int
    description: str | None
    error_class: str | None
    messages: int


class PerformanceMetrics(BaseModel):
    """How well and how fast messages went through."""

    processing_time_ms: ProcessingTime
    success_rate: Ratio | None
    delivery: Delivery
    error_codes: list[ErrorCodeCount]


class BreakdownItem(BaseModel):
    """Totals of one key of a breakdown."""

    key: str
    messages: int
    segments: int
    cost_usd: float
    cost_micros: int


class StatusCount(BaseModel):
    """Messages whose current status is `key`."""

    key: str
    messages: int


class MessageBreakdown(BaseModel):
    """The period's messages, cut four ways; each list sums to `total_messages`."""

    by_direction: list[BreakdownItem]
    by_type: list[BreakdownItem]
    by_status: list[StatusCount]
    by_country: list[BreakdownItem]


class UserAnalytics(BaseModel):
    """One user's usage in a period."""

    user_id: int
    time_range: str = Field(description="As asked for; `custom` for start and end.")
    period: Period
    usage_summary: UsageSummary
    usage_trends: UsageTrends
    performance_metrics: PerformanceMetrics
    message_breakdown: MessageBreakdown
    generated_at: datetime
    data_as_of: datetime | None = Field(
        description="Every event that the log received before it is in the answer; null: unknown."
    )
