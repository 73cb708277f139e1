"""Ways to spend less, from the messages themselves; contract section 4 and docs/numbers.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tests.oracle import totals
from tests.oracle.messages import Message
from tests.oracle.numbers import keyed_hash
from tests.oracle.totals import BAD, GOOD, Answer, money

FEW_CHARACTERS, FEW_TOO_MANY = 3, 10
LEAST_FAILURES, MOST_NUMBERS, MOST_CODES = 3, 10, 5
EXPENSIVE_RATIO, EXPENSIVE_SHARE, EXPENSIVE_MESSAGES = 2, 0.1, 10


def advice(messages: list[Message], privacy_key: str) -> list[Answer]:
    """Every advice that saves something, the largest saving first."""
    found = [
        *_shorter("ucs2_characters", messages, _saved_by_gsm),
        *_shorter("segment_boundary", messages, _saved_by_trimming),
        *_empty_mms(messages),
        *_failing_numbers(messages, privacy_key),
        *_failed_fees(messages),
        *_expensive_countries(messages),
    ]
    return sorted(found, key=lambda one: (-one["estimated_saving_micros"], one["code"]))


def _one(code: str, saved: int, numbers: list[float], evidence: Answer) -> Answer:
    """`numbers` are those of the sentence."""
    return {
        "code": code,
        "message": numbers,
        **money(saved, "estimated_saving"),
        "evidence": evidence,
    }


def segments(characters: int, encoding: str | None) -> int:
    """Segments of a text: 160 GSM-7 characters or 153 each, 70 UCS-2 ones or 67 each."""
    single, part = (160, 153) if encoding == "GSM-7" else (70, 67)
    return 1 if characters <= single else -(-characters // part)


def _saved_by_gsm(message: Message) -> int:
    if message.encoding != "UCS-2" or not 1 <= message.non_gsm_characters <= FEW_CHARACTERS:
        return 0
    return max(0, message.segments - segments(message.body_length, "GSM-7"))


def _saved_by_trimming(message: Message) -> int:
    if message.encoding is None or message.body_length <= FEW_TOO_MANY:
        return 0
    shorter = segments(message.body_length - FEW_TOO_MANY, message.encoding)
    return max(0, message.segments - shorter)


def _shorter(
    code: str, messages: Iterable[Message], saved_of: Callable[[Message], int]
) -> Iterator[Answer]:
    texts = [
        (message, saved)
        for message in messages
        if (message.direction, message.message_type) == ("outbound", "sms")
        and message.segments > 1
        and (saved := saved_of(message))
    ]
    micros = sum(_rated(message) * saved // message.segments for message, saved in texts)
    fewer = sum(saved for _, saved in texts)
    if micros:
        evidence = {"messages": len(texts), "segments": fewer, **money(micros, "cost")}
        yield _one(code, micros, _sentence(code, len(texts), fewer), evidence)


def _sentence(code: str, messages: int, fewer: int) -> list[float]:
    # The other sentence says UCS-2.
    return [messages, fewer] if code == "segment_boundary" else [messages, 2, fewer]


def _rated(message: Message) -> int:
    return message.base + message.carrier_fee


def _outbound_sms(messages: Iterable[Message]) -> dict[str, list[Message]]:
    parts: dict[str, list[Message]] = {}
    for message in messages:
        if (message.direction, message.message_type) == ("outbound", "sms"):
            parts.setdefault(message.country, []).append(message)
    return parts


def _empty_mms(messages: list[Message]) -> Iterator[Answer]:
    mms = [m for m in messages if (m.direction, m.message_type) == ("outbound", "mms")]
    prices = {
        country: sum(map(_rated, part)) / sum(message.segments for message in part)
        for country, part in _outbound_sms(messages).items()
    }
    empty = [m for m in mms if not m.num_media and m.country in prices]
    if not any(m.num_media for m in mms):
        return
    cost = sum(map(_rated, empty))
    as_sms = sum(segments(m.body_length, "GSM-7") * prices[m.country] for m in empty)
    saved = cost - round(as_sms)
    if saved > 0:
        yield _one(
            "mms_without_media",
            saved,
            [len(empty)],
            {"messages": len(empty), **money(cost, "cost")},
        )


def _failing_numbers(messages: list[Message], privacy_key: str) -> Iterator[Answer]:
    by_number: dict[str, list[Message]] = {}
    for message in messages:
        if message.direction == "outbound" and message.counterparty:
            by_number.setdefault(message.counterparty, []).append(message)
    failing = [
        {
            "counterparty_hash": keyed_hash(number, privacy_key),
            "country_code": part[0].country,
            "messages": len(part),
            "cost_micros": sum(message.cost for message in part),
        }
        for number, part in by_number.items()
        if sum(message.status in BAD for message in part) >= LEAST_FAILURES
        and not any(message.status in GOOD for message in part)
    ]
    cost = sum(one["cost_micros"] for one in failing)
    count = sum(one["messages"] for one in failing)
    if cost:
        failing.sort(key=lambda one: (-one["cost_micros"], one["counterparty_hash"]))
        evidence = {
            "messages": count,
            "numbers": len(failing),
            "top_numbers": failing[:MOST_NUMBERS],
            **money(cost, "cost"),
        }
        yield _one("failing_numbers", cost, [count, len(failing), LEAST_FAILURES], evidence)


def _failed_fees(messages: list[Message]) -> Iterator[Answer]:
    fees = sum(message.failed_fee for message in messages)
    if fees:
        failed = sum(message.status == "failed" for message in messages)
        codes = totals.error_codes(messages)[:MOST_CODES]
        evidence = {"messages": failed, "error_codes": codes, **money(fees, "cost")}
        yield _one("failed_fees", fees, [failed], evidence)


def _expensive_countries(messages: list[Message]) -> Iterator[Answer]:
    parts = _outbound_sms(messages)
    spent = {country: sum(map(_rated, part)) for country, part in parts.items()}
    sizes = {country: sum(m.segments for m in part) for country, part in parts.items()}
    total, all_segments = sum(spent.values()), sum(sizes.values())
    for country, part in parts.items():
        others = all_segments - sizes[country]
        if not others or len(part) < EXPENSIVE_MESSAGES:
            continue
        each, usual = spent[country] / sizes[country], (total - spent[country]) / others
        if usual <= 0 or each < EXPENSIVE_RATIO * usual or spent[country] < EXPENSIVE_SHARE * total:
            continue
        fewer = sizes[country] - len(part)
        evidence = {
            "messages": len(part),
            "segments": fewer,
            "country_code": country,
            "cost_per_segment": each / 1e6,
            "usual_cost_per_segment": usual / 1e6,
            **money(spent[country], "cost"),
        }
        # What cannot be shortened is told, too.
        told = [each / usual, fewer] if fewer else [each / usual]
        yield _one("expensive_country", round(each * fewer), told, evidence)
