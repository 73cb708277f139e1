"""Advice: each kind with its evidence and saving, and silence where there is nothing to save."""

from __future__ import annotations

from typing import Any

from query_api.optimization import Findings, optimization
from query_api.questions import Rows
from schemas.api.costs import Optimization
from tests.query_api.rows import breakdown_row

_NOTHING: dict[str, Any] = dict.fromkeys(
    (
        *(f"{kind}_{unit}" for kind in ("gsm", "trimmed") for unit in ("messages", "segments")),
        *("gsm_micros", "trimmed_micros", "numbers", "numbers_messages", "numbers_micros"),
    ),
    0,
) | {
    name: []
    for name in (
        *("mms_countries", "mms_with_media", "mms_empty_messages", "mms_empty_micros"),
        *("mms_empty_segments", "top_numbers", "top_countries", "top_messages", "top_micros"),
    )
}


def _advice(breakdown: Rows = (), **savings: Any) -> list[Optimization]:
    return optimization(Findings(breakdown, _NOTHING | savings))


def test_nothing_to_save() -> None:
    assert _advice() == []
    cheap = breakdown_row(messages=50, segments=50, status_delivered=50, base_micros=50)
    assert _advice([cheap]) == []


def test_texts() -> None:
    boundary, ucs2 = _advice(
        gsm_messages=3, gsm_segments=5, gsm_micros=41_500,
        trimmed_messages=10, trimmed_segments=10, trimmed_micros=83_000,
    )  # fmt: skip
    assert (boundary.code, boundary.estimated_saving_micros) == ("segment_boundary", 83_000)
    assert (ucs2.code, ucs2.estimated_saving_usd) == ("ucs2_characters", 0.0415)
    assert (ucs2.evidence.messages, ucs2.evidence.segments) == (3, 5)
    assert ucs2.message.startswith("3 messages were sent as UCS-2")


def _mms(*countries: tuple[str, int, int, int, int]) -> dict[str, Any]:
    """Country, with media, and without: messages, micros and segments."""
    names = ("countries", "with_media", "empty_messages", "empty_micros", "empty_segments")
    columns = zip(*countries, strict=True)
    return {f"mms_{name}": list(column) for name, column in zip(names, columns, strict=True)}


def test_mms_without_media_are_compared_with_sms_of_the_same_country() -> None:
    sms = breakdown_row(messages=10, segments=20, base_micros=100_000, carrier_fee_micros=60_000)
    # Nobody knows what an SMS to GB would have cost.
    mms = _mms(("US", 0, 4, 88_000, 5), ("GB", 1, 9, 900_000, 9))
    (found,) = _advice([sms], **mms)
    assert found.code == "mms_without_media"
    assert found.estimated_saving_micros == 88_000 - 5 * 8_000
    assert (found.evidence.messages, found.evidence.cost_micros) == (4, 88_000)


def test_a_router_that_never_tells_of_media_gives_no_advice_about_it() -> None:
    sms = breakdown_row(messages=10, segments=20, base_micros=100_000)
    assert _advice([sms], **_mms(("US", 0, 4, 88_000, 5))) == []


def test_failing_numbers() -> None:
    (found,) = _advice(
        numbers=7, numbers_messages=30, numbers_micros=20_000, top_numbers=[255],
        top_countries=["US"], top_messages=[5], top_micros=[5_000],
    )  # fmt: skip
    assert found.code == "failing_numbers"
    assert found.estimated_saving_micros == 20_000
    assert (found.evidence.numbers, found.evidence.messages) == (7, 30)
    assert found.evidence.top_numbers is not None
    assert found.evidence.top_numbers[0].counterparty_hash == "00000000000000ff"


def test_failed_fees_name_the_error_codes() -> None:
    row = breakdown_row(
        messages=9, status_failed=4, failed_fee_micros=3_000,
        error_codes=[5, 30005], error_messages=[1, 3],
    )  # fmt: skip
    (found,) = _advice([row])
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
    (found,) = _advice([usual, dear])
    assert found.code == "expensive_country"
    assert found.evidence.country_code == "ID"
    assert found.evidence.cost_per_segment == 0.04
    assert found.evidence.usual_cost_per_segment == 0.008
    assert found.estimated_saving_micros == 10 * 40_000
    assert "5.0 times" in found.message
    assert "10 segments fewer" in found.message
    # Nothing to shorten: it is told, and no saving is made up.
    (short,) = _advice(breakdown=[usual, dear | {"segments": 20, "base_micros": 800_000}])
    assert (short.estimated_saving_micros, short.evidence.segments) == (0, 0)
    assert short.message.endswith("of one segment, so only fewer of them cost less.")
    # So few messages say nothing.
    assert _advice([usual, few]) == []


def test_a_single_country_has_nothing_to_be_compared_with() -> None:
    only = breakdown_row(messages=100, segments=100, base_micros=800_000)
    assert _advice([only]) == []
