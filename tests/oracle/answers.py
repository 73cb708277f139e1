"""The answers about usage and costs, computed from all messages of a ledger; contract section 4."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from tests.oracle import forecast, periods, totals
from tests.oracle.advice import advice
from tests.oracle.messages import Message
from tests.oracle.periods import BUCKET_S, Question
from tests.oracle.totals import Answer, money, ratio

MINUTE_S = 60
MINUTES = {"15m": 15, "1h": 60, "6h": 360, "12h": 720, "24h": 1440}


class Oracle:
    """All messages of a ledger, ready to be asked. `messages` are in order of time.

    `privacy_key` is the key of the hashes of phone numbers.
    """

    def __init__(self, messages: Iterable[Message], privacy_key: str = "") -> None:
        self._all = list(messages)
        self._privacy_key = privacy_key
        self._of: dict[int, list[Message]] = {}
        for message in self._all:
            self._of.setdefault(message.user_id, []).append(message)

    @property
    def users(self) -> list[int]:
        """Every known user with at least one message, ever."""
        return sorted(self._of.keys() - {0})

    def of(self, user_id: int | None) -> list[Message]:
        """All messages of a user, or of everybody (None), in order of time."""
        return self._all if user_id is None else self._of.get(user_id, [])

    def user(self, user_id: int, question: Question) -> Answer:
        """`GET /me/sms-analytics` of one user."""
        everything = self._of.get(user_id, [])
        messages = within(everything, question.start, question.end)
        processing = totals.processing_time_ms(messages)
        success_rate = totals.success_rate(messages)
        return {
            "user_id": user_id,
            "time_range": question.time_range,
            "period": _period(question),
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
                "error_codes": totals.error_codes(messages),
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
        messages = within(everything, question.start, question.end)
        return {
            "user_id": user_id,
            "time_range": question.time_range,
            "period": _period(question),
            "cost_breakdown": _costs(messages),
            "cost_trends": _cost_trends(everything, messages, question)
            | {"projection": forecast.projection(everything, question)},
            "optimization": advice(messages, self._privacy_key),
        }

    def system(self, question: Question, order_by: str = "messages", order: str = "desc") -> Answer:
        """`GET /admin/sms-analytics/system`, all pages of `user_comparison` in one."""
        messages = within(self._all, question.start, question.end)
        comparison = self._comparison(question, messages)
        return {
            "time_range": question.time_range,
            "period": _period(question),
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
            "user_comparison": _ordered(comparison, order_by, order),
            "cost_analysis": _costs(messages)
            | {
                "projection": forecast.projection(self._all, question),
                "top_spenders": _spenders(comparison, messages),
                "anomalies": forecast.anomalies(self._all, question),
            },
        }

    def performance(self, window: str, timezone: str, now: float) -> Answer:
        """`GET /admin/sms-performance`: whole minutes of the window, the running one included."""
        end = (int(now) // MINUTE_S + 1) * MINUTE_S
        start = end - MINUTES[window] * MINUTE_S
        messages = within(self._all, start, end)
        rate, hours = totals.success_rate(messages), [0] * 24
        for message in messages:
            minute = message.at_ms // 1000 // MINUTE_S * MINUTE_S
            hours[datetime.fromtimestamp(minute, ZoneInfo(timezone)).hour] += 1
        touched = start // BUCKET_S * BUCKET_S, -(-end // BUCKET_S) * BUCKET_S
        return {
            "window": window,
            "period": {"start": start, "end": end, "timezone": timezone},
            "real_time_metrics": {
                "total_messages": len(messages),
                "success_rate_percent": None if rate is None else 100 * rate,
                "average_response_time_ms": totals.processing_time_ms(messages)["average"],
                "active_users": len({m.user_id for m in within(self._all, *touched)} - {0}),
                "peak_hour": totals.peak(hours),
                "messages_per_minute": len(messages) / ((now - start) / MINUTE_S),
            },
        }

    def _comparison(self, question: Question, messages: list[Message]) -> list[Answer]:
        items = []
        for user_id in self.users:
            own = within(self._of[user_id], question.start, question.end)
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
        return items


def _ordered(comparison: list[Answer], order_by: str, order: str) -> list[Answer]:
    """By one number, largest (`desc`) or smallest first; none is below all; equals by user."""
    sign = -1 if order == "desc" else 1

    def place(item: Answer) -> tuple[float, int]:
        value = item["cost_micros" if order_by == "cost_usd" else order_by]
        return (sign * (-1 if value is None else value), item["user_id"])

    return sorted(comparison, key=place)


def within(messages: list[Message], start: int, end: int) -> list[Message]:
    """The messages of [start, end) of a list in order of time."""
    first = bisect_left(messages, start * 1000, key=lambda message: message.at_ms)
    last = bisect_left(messages, end * 1000, key=lambda message: message.at_ms)
    return messages[first:last]


def _period(question: Question) -> Answer:
    return {"start": question.start, "end": question.end, "timezone": question.timezone}


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
    before = None if moved is None else len(within(everything, *moved))
    return {
        "granularity": periods.granularity(question),
        "points": _points(messages, question),
        "previous_period": _previous(moved, {"total_messages": before}),
        "change_ratio": (len(messages) - before) / before if before else None,
        "direction": None if before is None else _direction(len(messages), before),
    }


def _previous(moved: tuple[int, int] | None, total: Answer) -> Answer | None:
    return None if moved is None else {"start": moved[0], "end": moved[1]} | total


def _cost_trends(everything: list[Message], messages: list[Message], question: Question) -> Answer:
    moved = periods.previous(question)
    before = None if moved is None else sum(m.cost for m in within(everything, *moved))
    total = sum(message.cost for message in messages)
    points = _points(messages, question)
    return {
        "granularity": periods.granularity(question),
        "points": [
            {name: point[name] for name in ("start", "cost_usd", "cost_micros")} for point in points
        ],
        "previous_period": _previous(moved, money(before or 0, "total_cost")),
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
