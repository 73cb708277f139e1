"""Where the money went: every split adds up exactly."""

from __future__ import annotations

from query_api.costs import cost_breakdown
from tests.query_api.rows import breakdown_row

_ROWS = [
    breakdown_row("inbound", "sms", "US", messages=4, base_micros=400, carrier_fee_micros=40,
                  status_received=4),
    breakdown_row("outbound", "sms", "US", messages=3, base_micros=300, carrier_fee_micros=30,
                  failed_fee_micros=3, provisional_micros=330, status_delivered=1, status_failed=2),
    breakdown_row("outbound", "mms", "GB", messages=2, base_micros=2000, status_read=2),
]  # fmt: skip


def test_the_splits() -> None:
    cost = cost_breakdown(_ROWS)
    assert cost.total_cost_micros == 400 + 40 + 300 + 30 + 3 + 2000
    assert cost.inbound_cost_micros == 440
    assert cost.outbound_cost_micros == 2333
    assert cost.mms_cost_micros == 2000
    assert (cost.base_cost_micros, cost.carrier_fees_micros, cost.failed_fees_micros) == (
        2700,
        70,
        3,
    )
    assert cost.provisional_cost_micros == 330
    assert cost.cost_per_message == round(2773 / 9 / 1e6, 6)
    assert cost.cost_per_delivered == round(2333 / 3 / 1e6, 6)
    assert [(item.key, item.cost_micros) for item in cost.by_country] == [("US", 773), ("GB", 2000)]


def test_every_amount_in_usd_has_its_micros_beside_it() -> None:
    values = cost_breakdown(_ROWS).model_dump()
    for name in [name for name in values if name.endswith("_usd")]:
        assert values[name] == values[name.replace("_usd", "_micros")] / 1_000_000


def test_nothing_costs_nothing() -> None:
    cost = cost_breakdown([])
    assert cost.total_cost_micros == 0
    assert cost.cost_per_message is None
    assert cost.cost_per_delivered is None
    assert cost_breakdown([breakdown_row("inbound", messages=1)]).cost_per_delivered is None
