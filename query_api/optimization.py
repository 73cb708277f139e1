"""Ways to spend less, each with its evidence and what it would have saved. Pure.

Savings are of the period asked for, at the prices that its messages had; they may overlap, because
one message can be in several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from query_api.breakdown import error_code_counts
from query_api.measures import usd
from query_api.questions import Row, Rows
from schemas.api.costs import Evidence, FailingNumber, Optimization

LEAST_FAILURES = 3
"""Failed messages from which on a number counts as always failing."""
TOP_NUMBERS = 10
_TOP_ERRORS = 5
_EMPTY = ("empty_messages", "empty_micros", "empty_segments")
_TOP = ("numbers", "countries", "messages", "micros")
_EXPENSIVE_RATIO = 2
_EXPENSIVE_SHARE = 0.1
_EXPENSIVE_MESSAGES = 10


@dataclass(frozen=True)
class Findings:
    """What advice is made from: what `cells.breakdown` and `counterparties.savings` give."""

    breakdown: Rows
    savings: Row


def optimization(found: Findings) -> list[Optimization]:
    """Every advice, the largest saving first. All but that on an expensive country to which only
    short texts go would have saved something."""
    advice = [
        *_ucs2(found.savings),
        *_boundary(found.savings),
        *_empty_mms(found.savings, found.breakdown),
        *_failing_numbers(found.savings),
        *_failed_fees(found.breakdown),
        *_expensive_countries(found.breakdown),
    ]
    return sorted(advice, key=lambda one: (-one.estimated_saving_micros, one.code))


def _ucs2(texts: Row) -> list[Optimization]:
    messages, segments, saved = texts["gsm_messages"], texts["gsm_segments"], texts["gsm_micros"]
    if saved <= 0:
        return []
    text = (
        f"{messages} messages were sent as UCS-2 because of at most three characters (such as a "
        f"curly quote or a dash); with plain ones they would have been {segments} segments shorter."
    )
    evidence = Evidence(messages=messages, segments=segments, **_money(saved))
    return [_advice("ucs2_characters", text, saved, evidence)]


def _boundary(texts: Row) -> list[Optimization]:
    messages, segments = texts["trimmed_messages"], texts["trimmed_segments"]
    saved = texts["trimmed_micros"]
    if saved <= 0:
        return []
    text = (
        f"{messages} texts are at most ten characters over a segment boundary; shortened by these "
        f"they would have been {segments} segments fewer."
    )
    evidence = Evidence(messages=messages, segments=segments, **_money(saved))
    return [_advice("segment_boundary", text, saved, evidence)]


def _empty_mms(found: Row, breakdown: Rows) -> list[Optimization]:
    # A router that never tells the number of media cannot be told from one that sends none.
    if not any(found["mms_with_media"]):
        return []
    price = _sms_prices(breakdown)
    columns = (found[f"mms_{name}"] for name in ("countries", *_EMPTY))
    empty = [row for row in zip(*columns, strict=True) if row[1] and row[0] in price]
    messages, cost = sum(row[1] for row in empty), sum(row[2] for row in empty)
    saved = cost - round(sum(segments * price[country] for country, _, _, segments in empty))
    if saved <= 0:
        return []
    text = (
        f"{messages} MMS carry no media; as SMS, at what yours cost in the same countries, they "
        "would have been cheaper."
    )
    evidence = Evidence(messages=messages, **_money(cost))
    return [_advice("mms_without_media", text, saved, evidence)]


def _failing_numbers(found: Row) -> list[Optimization]:
    numbers, messages, cost = (
        found[name] for name in ("numbers", "numbers_messages", "numbers_micros")
    )
    if cost <= 0:
        return []
    text = (
        f"{messages} messages went to {numbers} numbers where at least {LEAST_FAILURES} failed and "
        "none arrived; these numbers should be checked or dropped."
    )
    top = [
        FailingNumber(
            counterparty_hash=f"{number:016x}",
            country_code=country,
            messages=own_messages,
            cost_micros=own_micros,
        )
        for number, country, own_messages, own_micros in zip(
            *(found[f"top_{name}"] for name in _TOP), strict=True
        )
    ]
    evidence = Evidence(messages=messages, numbers=numbers, top_numbers=top, **_money(cost))
    return [_advice("failing_numbers", text, cost, evidence)]


def _failed_fees(breakdown: Rows) -> list[Optimization]:
    fees = sum(row["failed_fee_micros"] for row in breakdown)
    if fees <= 0:
        return []
    failed = sum(row["status_failed"] for row in breakdown)
    text = (
        f"{failed} failed messages bore a fee each, unless exempt; the error codes say which "
        "numbers, registrations or contents to correct."
    )
    top = error_code_counts(breakdown)[:_TOP_ERRORS]
    evidence = Evidence(messages=failed, error_codes=top, **_money(fees))
    return [_advice("failed_fees", text, fees, evidence)]


def _expensive_countries(breakdown: Rows) -> list[Optimization]:
    """Countries where a segment costs at least twice as much as in all others together."""
    sms = _outbound_sms(breakdown)
    total, segments = (sum(_spent(row) for row in sms), sum(row["segments"] for row in sms))
    advice = []
    for row in sms:
        cost, own = _spent(row), row["segments"]
        others = segments - own
        if others <= 0 or row["messages"] < _EXPENSIVE_MESSAGES or total <= 0:
            continue
        each, usual = cost / own, (total - cost) / others
        if each >= _EXPENSIVE_RATIO * usual and usual > 0 and cost >= _EXPENSIVE_SHARE * total:
            advice.append(_expensive(row, each, usual))
    return advice


def _expensive(row: Row, each: float, usual: float) -> Optimization:
    extra = row["segments"] - row["messages"]
    saved = round(each * extra)
    shorter = (
        f"texts of one segment there would have been {extra} segments fewer."
        if extra > 0
        else "your texts there are of one segment, so only fewer of them cost less."
    )
    text = (
        f"A segment to {row['country']} costs {each / usual:.1f} times as much as to your other "
        f"countries; {shorter}"
    )
    evidence = Evidence(
        messages=row["messages"],
        segments=extra,
        country_code=row["country"],
        cost_per_segment=round(usd(round(each)), 6),
        usual_cost_per_segment=round(usd(round(usual)), 6),
        **_money(_spent(row)),
    )
    return _advice("expensive_country", text, saved, evidence)


def _sms_prices(breakdown: Rows) -> dict[str, float]:
    """Micro-USD that one outbound SMS segment cost in each country."""
    return {row["country"]: _spent(row) / row["segments"] for row in _outbound_sms(breakdown)}


def _outbound_sms(breakdown: Rows) -> Sequence[Row]:
    return [
        row
        for row in breakdown
        if row["direction"] == "outbound" and row["message_type"] == "sms" and row["segments"] > 0
    ]


def _spent(row: Row) -> int:
    return int(row["base_micros"] + row["carrier_fee_micros"])


def _money(micros: int) -> dict[str, int | float]:
    return {"cost_usd": usd(micros), "cost_micros": micros}


def _advice(code: str, message: str, saved: int, evidence: Evidence) -> Optimization:
    return Optimization(
        code=code,
        message=message,
        estimated_saving_usd=usd(saved),
        estimated_saving_micros=saved,
        evidence=evidence,
    )
