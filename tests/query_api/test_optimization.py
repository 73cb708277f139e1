"""Advice: each kind with its evidence and saving, and silence where there is nothing to save."""

from __future__ import annotations

from typing import Any

from query_api.optimization import Findings, optimization
from schemas.api.costs import Optimization
from tests.query_api.rows import breakdown_row

_NO_TEXTS = dict.fromkeys(
    (
        f"{kind}_{unit}"
        for kind in ("gsm", "trimmed")
        for unit in ("messages", "segments", "micros")
    ),
    0,
)


def _advice(**found: Any) -> list[Optimization]:
    nothing: dict[str, Any] = {
        "breakdown": [],
        "error_codes": [],
        "text_savings": [_NO_TEXTS],
        "empty_mms": [],
        "failing_numbers": [],
    }
    return optimization(Findings(**(nothing | found)))


def test_nothing_to_save() -> None:
    assert _advice() == []
    cheap = breakdown_row(messages=50, segments=50, status_delivered=50, base_micros=50)
    assert _advice(breakdown=[cheap]) == []


def test_texts() -> None:
    texts = _NO_TEXTS | {
        "gsm_messages": 3, "gsm_segments": 5, "gsm_micros": 41_500,
        "trimmed_messages": 10, "trimmed_segments": 10, "trimmed_micros": 83_000,
    }  # fmt: skip
    boundary, ucs2 = _advice(text_savings=[texts])
    assert (boundary.code, boundary.estimated_saving_micros) == ("segment_boundary", 83_000)
    assert (ucs2.code, ucs2.estimated_saving_usd) == ("ucs2_characters", 0.0415)
    assert (ucs2.evidence.messages, ucs2.evidence.segments) == (3, 5)
    assert ucs2.message.startswith("3 messages were sent as UCS-2")


def _mms(country: str, **counters: int) -> dict[str, Any]:
    plain = {"with_media": 0, "empty_messages": 0, "empty_micros": 0, "empty_segments": 0}
    return plain | {"country": country} | counters


def test_mms_without_media_are_compared_with_sms_of_the_same_country() -> None:
    sms = breakdown_row(messages=10, segments=20, base_micros=100_000, carrier_fee_micros=60_000)
    empty = _mms("US", empty_messages=4, empty_micros=88_000, empty_segments=5)
    # Nobody knows what an SMS to GB would have cost.
    unknown = _mms("GB", with_media=1, empty_messages=9, empty_micros=900_000, empty_segments=9)
    (found,) = _advice(breakdown=[sms], empty_mms=[empty, unknown])
    assert found.code == "mms_without_media"
    assert found.estimated_saving_micros == 88_000 - 5 * 8_000
    assert (found.evidence.messages, found.evidence.cost_micros) == (4, 88_000)


def test_a_router_that_never_tells_of_media_gives_no_advice_about_it() -> None:
    sms = breakdown_row(messages=10, segments=20, base_micros=100_000)
    empty = _mms("US", empty_messages=4, empty_micros=88_000, empty_segments=5)
    assert _advice(breakdown=[sms], empty_mms=[empty]) == []


def test_failing_numbers() -> None:
    row = {
        "counterparty_hash": 255, "country": "US", "messages": 5, "cost_micros": 5_000,
        "numbers": 7, "all_messages": 30, "all_micros": 20_000,
    }  # fmt: skip
    (found,) = _advice(failing_numbers=[row])
    assert found.code == "failing_numbers"
    assert found.estimated_saving_micros == 20_000
    assert (found.evidence.numbers, found.evidence.messages) == (7, 30)
    assert found.evidence.top_numbers is not None
    assert found.evidence.top_numbers[0].counterparty_hash == "00000000000000ff"


def test_failed_fees_name_the_error_codes() -> None:
    row = breakdown_row(messages=9, status_failed=4, failed_fee_micros=3_000)
    codes = [{"error_code": 30005, "messages": 3}, {"error_code": 5, "messages": 1}]
    (found,) = _advice(breakdown=[row], error_codes=codes)
    assert (found.code, found.estimated_saving_micros) == ("failed_fees", 3_000)
    assert found.evidence.messages == 4
    assert [(code.error_code, code.error_class) for code in found.evidence.error_codes or ()] == [
        (30005, "bad_number"),
        (5, None),
    ]


def test_an_expensive_country() -> None:
    usual = breakdown_row(messages=100, segments=100, base_micros=800_000)
    dear = breakdown_row(country="ID", messages=20, segments=30, base_micros=1_200_000)
    few = breakdown_row(country="XX", messages=9, segments=20, base_micros=9_000_000)
    (found,) = _advice(breakdown=[usual, dear])
    assert found.code == "expensive_country"
    assert found.evidence.country_code == "ID"
    assert found.evidence.cost_per_segment == 0.04
    assert found.evidence.usual_cost_per_segment == 0.008
    assert found.estimated_saving_micros == 10 * 40_000
    assert "5.0 times" in found.message
    # So few messages say nothing.
    assert _advice(breakdown=[usual, few]) == []


def test_a_single_country_has_nothing_to_be_compared_with() -> None:
    only = breakdown_row(messages=100, segments=100, base_micros=800_000)
    assert _advice(breakdown=[only]) == []
