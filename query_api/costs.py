"""Shapes breakdown rows into cost parts; contract section 5. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from query_api.breakdown import cost_micros, cut
from query_api.measures import usd, usd_each
from query_api.questions import Row, Rows
from schemas.api.costs import CostBreakdown

_DELIVERED = ("status_delivered", "status_received", "status_read")


def cost_breakdown(rows: Rows) -> CostBreakdown:
    """Where the money of some breakdown rows went."""
    outbound = [row for row in rows if row["direction"] == "outbound"]
    total, outbound_cost = _cost(rows), _cost(outbound)
    inbound_cost = total - outbound_cost
    mms = _cost(row for row in rows if row["message_type"] == "mms")
    base, carrier, failed, provisional = (
        sum(row[name] for row in rows)
        for name in (
            "base_micros",
            "carrier_fee_micros",
            "failed_fee_micros",
            "provisional_micros",
        )
    )
    delivered = sum(row[status] for row in outbound for status in _DELIVERED)
    return CostBreakdown(
        total_cost_usd=usd(total),
        total_cost_micros=total,
        inbound_cost_usd=usd(inbound_cost),
        inbound_cost_micros=inbound_cost,
        outbound_cost_usd=usd(outbound_cost),
        outbound_cost_micros=outbound_cost,
        mms_cost_usd=usd(mms),
        mms_cost_micros=mms,
        base_cost_usd=usd(base),
        base_cost_micros=base,
        carrier_fees_usd=usd(carrier),
        carrier_fees_micros=carrier,
        failed_fees_usd=usd(failed),
        failed_fees_micros=failed,
        provisional_cost_usd=usd(provisional),
        provisional_cost_micros=provisional,
        cost_per_message=usd_each(total, sum(row["messages"] for row in rows)),
        cost_per_delivered=usd_each(outbound_cost, delivered),
        by_country=cut(rows, "country"),
    )


def _cost(rows: Iterable[Row]) -> int:
    return sum(cost_micros(row) for row in rows)
