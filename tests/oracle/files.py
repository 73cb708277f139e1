"""The rows of the files: usage by day and by message, and the cost export; contract section 4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from tests.oracle import periods, totals
from tests.oracle.logs import logged
from tests.oracle.messages import Message
from tests.oracle.totals import Answer, money

Part = tuple[str, str, str, str]


def daily_rows(messages: Iterable[Message], timezone: str) -> list[Answer]:
    """By local day, direction, type and country, in this order."""
    return [_daily_row(key, part) for key, part in sorted(_parts(messages, timezone).items())]


def _parts(messages: Iterable[Message], timezone: str) -> dict[Part, list[Message]]:
    parts: dict[Part, list[Message]] = {}
    for message in messages:
        day = periods.local_day(message.at_ms, timezone)
        key = (day, message.direction, message.message_type, message.country)
        parts.setdefault(key, []).append(message)
    return parts


def _daily_row(key: Part, messages: list[Message]) -> Answer:
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


_NOT_IN_FILES = (
    "error_description", "error_class", "non_gsm_characters", "latency_ms", "rate_origin",
)  # fmt: skip
_TEXTS = ("counterparty_hash", "mcc_mnc", "encoding")


def message_rows(
    messages: Iterable[Message], privacy_key: str, with_user: bool = False
) -> list[Answer]:
    """A row for each message, the earliest first; an unknown text is empty."""
    ordered = sorted(messages, key=lambda message: (message.at_ms, message.sid.encode()))
    return [_message_row(message, privacy_key, with_user) for message in ordered]


def _message_row(message: Message, privacy_key: str, with_user: bool) -> Answer:
    row = logged(message, privacy_key)
    for name in _NOT_IN_FILES:
        del row[name]
    row |= {name: row[name] or "" for name in _TEXTS}
    return ({"user_id": message.user_id} if with_user else {}) | row


def cost_rows(messages: Iterable[Message], account: str, provider: str) -> list[Answer]:
    """Charges by UTC day, user, direction, type and country in the columns of FOCUS 1.2."""
    by_user: dict[tuple[str, int, str, str, str], list[Message]] = {}
    for message in messages:
        day = periods.local_day(message.at_ms, "UTC")
        key = (day, message.user_id, message.direction, message.message_type, message.country)
        by_user.setdefault(key, []).append(message)
    rows: list[Answer] = []
    for key, part in sorted(by_user.items(), key=lambda item: _place(item[0])):
        rows += (_cost_row(key, account, provider, *charge) for charge in _charges(part))
    return rows


def _place(key: tuple[str, int, str, str, str]) -> tuple[str, int, str, bool, str]:
    """SMS before MMS."""
    day, user_id, direction, message_type, country = key
    return (day, user_id, direction, message_type == "mms", country)


def _charges(part: list[Message]) -> Iterator[tuple[str, int, int, str, int]]:
    """(kind, micro-USD, quantity, unit, provisional micro-USD) of the kinds that cost anything,
    and of the base always."""
    base, carrier, fee = (
        sum(getattr(message, name) for message in part)
        for name in ("base", "carrier_fee", "failed_fee")
    )
    is_sms = part[0].message_type == "sms"
    quantity = sum(message.segments for message in part) if is_sms else len(part)
    unit = "Segments" if is_sms else "Messages"
    yield "base", base, quantity, unit, sum(message.provisional for message in part)
    if carrier:
        yield "carrier fee", carrier, quantity, unit, 0
    if fee:
        failed = sum(message.status == "failed" for message in part)
        yield "failed message fee", fee, failed, "Messages", 0


def _cost_row(
    key: tuple[str, int, str, str, str],
    account: str,
    provider: str,
    kind: str,
    micros: int,
    quantity: int,
    unit: str,
    provisional: int,
) -> Answer:
    day, user_id, direction, message_type, country = key
    date = datetime.fromisoformat(day).replace(tzinfo=UTC)
    month = date.replace(day=1)
    usd = micros / 1e6
    return {
        **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), usd),
        "BillingAccountId": account,
        "BillingAccountName": account,
        "BillingCurrency": "USD",
        "BillingPeriodStart": _text(month),
        "BillingPeriodEnd": _text((month + timedelta(days=32)).replace(day=1)),
        "ChargeCategory": "Usage",
        "ChargeClass": None,
        "ChargeDescription": f"{message_type.upper()} {direction} {country}, {kind}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _text(date),
        "ChargePeriodEnd": _text(date + timedelta(days=1)),
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "PricingQuantity": quantity,
        "PricingUnit": unit,
        **dict.fromkeys(("InvoiceIssuerName", "ProviderName", "PublisherName"), provider),
        "ServiceCategory": "Integration",
        "ServiceName": "Messaging",
        "ServiceSubcategory": "Messaging",
        "SkuId": f"{message_type}-{direction}-{country}-{kind.replace(' ', '-')}",
        "SubAccountId": str(user_id),
        "SubAccountName": f"User {user_id}" if user_id else "Unknown user",
        "x_Country": country,
        "x_Direction": direction,
        "x_MessageType": message_type,
        "x_ProvisionalCost": provisional / 1e6,
    }


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
