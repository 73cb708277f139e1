"""Cost parts that user and system answers share."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from schemas.api.usage import BreakdownItem


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
