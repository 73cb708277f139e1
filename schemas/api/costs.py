"""The answer of `…/sms-costs`, and cost parts that it shares with the system's."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from schemas.api.usage import BreakdownItem, Direction, ErrorCodeCount, Granularity, Period


class CostBreakdown(BaseModel):
    """Cost of a period. Two exact splits: inbound + outbound, and base + carrier + failed fees.

    MMS and the provisional part are "of which" figures.
    """

    total_cost_usd: float
    total_cost_micros: int
    inbound_cost_usd: float
    inbound_cost_micros: int
    outbound_cost_usd: float
    outbound_cost_micros: int
    mms_cost_usd: float
    mms_cost_micros: int
    base_cost_usd: float
    base_cost_micros: int
    carrier_fees_usd: float
    carrier_fees_micros: int
    failed_fees_usd: float
    failed_fees_micros: int
    provisional_cost_usd: float = Field(description="May still be replaced by a provider's price.")
    provisional_cost_micros: int
    cost_per_message: float | None = Field(description="USD; null without messages.")
    cost_per_delivered: float | None = Field(
        description="USD of outbound cost per delivered outbound message; null without any."
    )
    by_country: list[BreakdownItem]


class Projection(BaseModel):
    """The cost of the local calendar month that `end` falls into, when it is over."""

    period_start: datetime
    period_end: datetime
    cost_to_date_usd: float
    cost_to_date_micros: int
    projected_cost_usd: float
    projected_cost_micros: int
    low: float = Field(description="USD; the lower end of the likely range.")
    high: float = Field(description="USD; the upper end of the likely range.")
    method: str


class CostPoint(BaseModel):
    """What one interval cost, beginning at `start` (local, with its offset)."""

    start: datetime
    cost_usd: float
    cost_micros: int


class PreviousCost(BaseModel):
    """The cost of the period of the same length just before."""

    start: datetime
    end: datetime
    total_cost_usd: float
    total_cost_micros: int


class CostTrends(BaseModel):
    """Cost over time, zero-filled, its change against the previous period, and where it leads.

    `previous_period` is null beyond retention, `change_ratio` when it cost nothing, `projection`
    when the period ends in the past or there is less than two weeks of history.
    """

    granularity: Granularity
    points: list[CostPoint]
    previous_period: PreviousCost | None
    change_ratio: float | None
    direction: Direction | None
    projection: Projection | None


class FailingNumber(BaseModel):
    """A number to which nothing got through; only its country and a keyed hash are known."""

    counterparty_hash: str
    country_code: str
    messages: int
    cost_micros: int


class Evidence(BaseModel):
    """What a saving was computed from; fields that do not belong to the code are null."""

    messages: int
    segments: int | None = Field(None, description="That would not have been sent.")
    cost_usd: float
    cost_micros: int
    country_code: str | None = None
    cost_per_segment: float | None = Field(None, description="USD in this country.")
    usual_cost_per_segment: float | None = Field(None, description="USD in all other countries.")
    numbers: int | None = Field(None, description="How many such numbers there are.")
    top_numbers: list[FailingNumber] | None = None
    error_codes: list[ErrorCodeCount] | None = None


class Optimization(BaseModel):
    """A way to spend less, for this period's messages; savings of several may overlap."""

    code: Literal[
        "ucs2_characters",
        "segment_boundary",
        "mms_without_media",
        "failing_numbers",
        "failed_fees",
        "expensive_country",
    ]
    message: str
    estimated_saving_usd: float
    estimated_saving_micros: int
    evidence: Evidence


class UserCosts(BaseModel):
    """One user's cost in a period."""

    user_id: int
    time_range: str = Field(description="As asked for; `custom` for start and end.")
    period: Period
    cost_breakdown: CostBreakdown
    cost_trends: CostTrends
    optimization_tips: list[str] = Field(description="The messages of `optimization`.")
    optimization: list[Optimization] = Field(description="The largest saving first.")
    generated_at: datetime
    data_as_of: datetime | None
