"""The answers about usage and costs, computed from all messages of a ledger; contract section 4.

Left out: what the contract leaves to the product (`projection`, `anomalies`,
`optimization`, descriptions).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from tests.oracle import periods, totals
from tests.oracle.messages import Message
from tests.oracle.periods import BUCKET_S, Question
from tests.oracle.totals import Answer, money, ratio


class Oracle:
    """All messages of a ledger, ready to be asked. `messages` are in order of time."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self._all = list(messages)
        self._of: dict[int, list[Message]] = {}
        for message in self._all:
            self._of.setdefault(message.user_id, []).append(message)

    @property
    def users(self) -> list[int]:
        """Every known user with at least one message, ever."""
        return sorted(self._of.keys() - {0})

    def user(self, user_id: int, question: Question) -> Answer:
        """`GET /me/sms-analytics` of one user."""
        everything = self._of.get(user_id, [])
        messages = _within(everything, question.start, question.end)
        processing = totals.processing_time_ms(messages)
        success_rate = totals.success_rate(messages)
        return {
            "user_id": user_id,
            "time_range": question.time_range,
            "usage_summary": {
                **_counts(messages),
                "success_rate": success_rate,
                "average_processing_time_ms": processing["average"],
                "usage_patterns": _patterns(messages, question),
            },
            "usage_trends": _trends(everything, messages, question),
            "performance_metrics": {
                "processing_time_ms": processing,
                "success_rate": success_rate,
                "delivery": totals.delivery(messages, question.data_as_of_ms),
                "error_codes": totals.counted((m.error_code for m in messages), "error_code"),
            },
            "message_breakdown": {
                "by_direction": totals.breakdown(messages, lambda m: m.direction),
                "by_type": totals.breakdown(messages, lambda m: m.message_type),
                "by_status": totals.counted((m.status for m in messages), "key"),
                "by_country": totals.breakdown(messages, lambda m: m.country),
            },
        }

    def user_costs(self, user_id: int, question: Question) -> Answer:
        """`GET /me/sms-costs` of one user."""
        everything = self._of.get(user_id, [])
        messages = _within(everything, question.start, question.end)
        return {
            "user_id": user_id,
            "time_range": question.time_range,
            "cost_breakdown": _costs(messages),
            "cost_trends": _cost_trends(everything, messages, question),
        }

    def daily_report(self, question: Question, user_id: int | None = None) -> list[Answer]:
        """The rows of `…/sms-usage-report` of a user, or of the system (None)."""
        everything = self._all if user_id is None else self._of.get(user_id, [])
        parts: dict[tuple[str, str, str, str], list[Message]] = {}
        for message in _within(everything, question.start, question.end):
            day = periods.local_day(message.at_ms, question.timezone)
            key = (day, message.direction, message.message_type, message.country)
            parts.setdefault(key, []).append(message)
        return [_report_row(key, part) for key, part in sorted(parts.items())]

    def log(self, user_id: int) -> list[Answer]:
        """All messages of a user as `GET /me/messages` lists them, newest first."""
        newest = sorted(
            self._of.get(user_id, []),
            key=lambda message: (message.at_ms, message.sid),
            reverse=True,
        )
        return [_logged(message) for message in newest]

    def system(self, question: Question) -> Answer:
        """`GET /admin/sms-analytics/system`, all pages of `user_comparison` in one."""
        messages = _within(self._all, question.start, question.end)
        comparison = self._comparison(question, messages)
        return {
            "time_range": question.time_range,
            "system_metrics": {
                **_counts(messages),
                "active_users": len(comparison),
                "success_rate": totals.success_rate(messages),
                "average_processing_time_ms": totals.processing_time_ms(messages)["average"],
                "delivery": totals.delivery(messages, question.data_as_of_ms),
                "by_country": totals.breakdown(messages, lambda m: m.country),
                "granularity": periods.granularity(question),
                "points": _points(messages, question),
            },
            "user_comparison": comparison,
            "cost_analysis": _costs(messages) | {"top_spenders": _spenders(comparison, messages)},
        }

    def _comparison(self, question: Question, messages: list[Message]) -> list[Answer]:
        items = []
        for user_id in self.users:
            own = _within(self._of[user_id], question.start, question.end)
            if own:
                items.append(
                    {
                        "user_id": user_id,
                        "messages": len(own),
                        "segments": sum(message.segments for message in own),
                        "success_rate": totals.success_rate(own),
                        **money(sum(message.cost for message in own), "cost"),
                        "share": ratio(len(own), len(messages)),
                    }
                )
        return sorted(items, key=lambda item: (-item["messages"], item["user_id"]))


def _report_row(key: tuple[str, str, str, str], messages: list[Message]) -> Answer:
    names = ("date", "direction", "message_type", "country_code")
    succeeded = sum(message.status in totals.GOOD for message in messages)
    failed = sum(message.status in totals.BAD for message in messages)
    canceled = sum(message.status == "canceled" for message in messages)
    return {
        **dict(zip(names, key, strict=True)),
        "messages": len(messages),
        "segments": sum(message.segments for message in messages),
        "succeeded": succeeded,
        "failed": failed,
        "in_flight": len(messages) - succeeded - failed - canceled,
        "canceled": canceled,
        **money(sum(message.cost for message in messages), "cost"),
        "carrier_fee_micros": sum(message.carrier_fee for message in messages),
        "failed_fee_micros": sum(message.failed_fee for message in messages),
        "provisional_micros": sum(message.provisional for message in messages),
    }


def _logged(message: Message) -> Answer:
    processing_us = message.processing_us
    return {
        "message_sid": message.sid,
        "direction": message.direction,
        "message_type": message.message_type,
        "status": message.status,
        "error_code": message.error_code,
        "country_code": message.country,
        "segments": message.segments,
        "body_length": message.body_length,
        "processing_time_ms": None if processing_us is None else processing_us / 1000,
        **money(message.cost, "cost"),
        "carrier_fee_micros": message.carrier_fee,
        "failed_fee_micros": message.failed_fee,
        "provisional_micros": message.provisional,
        "cost_source": message.cost_source,
    }


def _within(messages: list[Message], start: int, end: int) -> list[Message]:
    first = bisect_left(messages, start * 1000, key=lambda message: message.at_ms)
    last = bisect_left(messages, end * 1000, key=lambda message: message.at_ms)
    return messages[first:last]


def _counts(messages: list[Message]) -> Answer:
    inbound = sum(message.direction == "inbound" for message in messages)
    return {
        "total_messages": len(messages),
        "inbound_messages": inbound,
        "outbound_messages": len(messages) - inbound,
        "total_segments": sum(message.segments for message in messages),
        "total_message_length": sum(message.body_length for message in messages),
    }


def _patterns(messages: list[Message], question: Question) -> Answer:
    hours, weekdays = [0] * 24, [0] * 7
    for message in messages:
        bucket = message.at_ms // 1000 // BUCKET_S * BUCKET_S
        hour, weekday = periods.hour_and_weekday(bucket, question.timezone)
        hours[hour] += 1
        weekdays[weekday] += 1
    countries = totals.counted((message.country for message in messages), "country_code")
    return {
        "hourly_distribution": hours,
        "weekday_distribution": weekdays,
        "peak_hour": totals.peak(hours),
        "peak_weekday": totals.peak(weekdays),
        "top_countries": countries,
    }


def _trends(everything: list[Message], messages: list[Message], question: Question) -> Answer:
    moved = periods.previous(question)
    before = None if moved is None else len(_within(everything, *moved))
    return {
        "granularity": periods.granularity(question),
        "points": _points(messages, question),
        "previous_period": None if before is None else {"total_messages": before},
        "change_ratio": (len(messages) - before) / before if before else None,
        "direction": None if before is None else _direction(len(messages), before),
    }


def _cost_trends(everything: list[Message], messages: list[Message], question: Question) -> Answer:
    moved = periods.previous(question)
    before = None if moved is None else sum(m.cost for m in _within(everything, *moved))
    total = sum(message.cost for message in messages)
    points = _points(messages, question)
    return {
        "granularity": periods.granularity(question),
        "points": [
            {name: point[name] for name in ("start", "cost_usd", "cost_micros")} for point in points
        ],
        "previous_period": None if before is None else money(before, "total_cost"),
        "change_ratio": (total - before) / before if before else None,
        "direction": None if before is None else _direction(total, before),
    }


def _direction(now: int, before: int) -> str:
    if 100 * abs(now - before) <= before:
        return "flat"
    return "up" if now > before else "down"


def _points(messages: list[Message], question: Question) -> list[Answer]:
    starts = periods.point_starts(
        question.start, question.end, question.timezone, periods.granularity(question)
    )
    parts: dict[int, list[Message]] = {start: [] for start in starts}
    for message in messages:
        parts[periods.point_of(message.at_ms // 1000, starts)].append(message)
    return [_point(start, part) for start, part in parts.items()]


def _point(start: int, messages: list[Message]) -> Answer:
    inbound = sum(message.direction == "inbound" for message in messages)
    return {
        "start": start,
        "messages": len(messages),
        "inbound": inbound,
        "outbound": len(messages) - inbound,
        "segments": sum(message.segments for message in messages),
        "success_rate": totals.success_rate(messages),
        **money(sum(message.cost for message in messages), "cost"),
    }


def _costs(messages: list[Message]) -> Answer:
    total = sum(message.cost for message in messages)
    outbound = [message for message in messages if message.direction == "outbound"]
    outbound_cost = sum(message.cost for message in outbound)
    delivered = sum(message.status in totals.GOOD for message in outbound)
    mms = sum(message.cost for message in messages if message.message_type == "mms")
    return {
        **money(total, "total_cost"),
        **money(total - outbound_cost, "inbound_cost"),
        **money(outbound_cost, "outbound_cost"),
        **money(mms, "mms_cost"),
        **money(sum(message.base for message in messages), "base_cost"),
        **money(sum(message.carrier_fee for message in messages), "carrier_fees"),
        **money(sum(message.failed_fee for message in messages), "failed_fees"),
        **money(sum(message.provisional for message in messages), "provisional_cost"),
        "cost_per_message": _each(total, len(messages)),
        "cost_per_delivered": _each(outbound_cost, delivered),
        "by_country": totals.breakdown(messages, lambda message: message.country),
    }


def _each(micros: int, count: int) -> float | None:
    return None if not count else micros / count / 1_000_000


def _spenders(comparison: list[Answer], messages: list[Message]) -> list[Answer]:
    total = sum(message.cost for message in messages)
    names = ("user_id", "cost_usd", "cost_micros", "messages")
    items = [
        {name: item[name] for name in names} | {"share": ratio(item["cost_micros"], total)}
        for item in comparison
    ]
    return sorted(items, key=lambda item: (-item["cost_micros"], item["user_id"]))
