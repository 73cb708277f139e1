"""Reports as downloads: which queries they are made of, and how their rows become a file.

CSV is RFC 4180 with a header; JSON is one object whose `rows` are objects. Ranges are cut into
parts, so that no query has to sort more than a part.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from query_api.downloads import Downloads, Part
from query_api.period import Period
from query_api.questions import ErasedBefore, sql_of
from query_api.shown import parameter
from query_api.zones import DAY_S, clock_over, utc

Form = Literal["csv", "json"]
MEDIA_TYPES: dict[Form, str] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "json": "application/json",
}
_BOM = b"\xef\xbb\xbf"
_USER_PART_DAYS, _SYSTEM_PART_DAYS = 31, 1

_DAILY = (
    "date", "direction", "message_type", "country_code", "messages", "segments", "succeeded",
    "failed", "in_flight", "canceled", "cost_usd", "cost_micros", "carrier_fee_micros",
    "failed_fee_micros", "provisional_micros",
)  # fmt: skip
_MESSAGES = (
    "occurred_at", "message_sid", "direction", "message_type", "status", "error_code",
    "country_code", "counterparty_hash", "mcc_mnc", "segments", "encoding", "num_media",
    "body_length", "processing_time_ms", "cost_usd", "cost_micros", "carrier_fee_micros",
    "failed_fee_micros", "provisional_micros", "cost_source",
)  # fmt: skip
_EXPORT = (
    "occurred_at", "message_sid", "user_decided_by", "phone_hash", "counterparty_hash", "direction",
    "message_type", "status", "error_code", "country_code", "mcc_mnc", "segments", "encoding",
    "non_gsm_characters", "num_media", "body_length", "processing_time_ms", "latency_ms",
    "cost_usd", "cost_micros", "base_micros", "carrier_fee_micros", "failed_fee_micros",
    "provisional_micros", "cost_source", "rate_origin", "rate_base_micros", "rate_carrier_micros",
    "rate_failed_micros", "gsm_saved_segments", "trimmed_saved_segments", "timeline",
)  # fmt: skip
_FOCUS = (
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit",
    "ProviderName", "PublisherName", "ServiceCategory", "ServiceName", "ServiceSubcategory",
    "SkuId", "SubAccountId", "SubAccountName", "x_Country", "x_Direction", "x_MessageType",
    "x_ProvisionalCost",
)  # fmt: skip
COLUMNS: dict[str, tuple[str, ...]] = {
    "user_daily_report": _DAILY,
    "system_daily_report": _DAILY,
    "user_message_report": _MESSAGES,
    "system_message_report": ("user_id", *_MESSAGES),
    "user_export": _EXPORT,
    "cost_export": _FOCUS,
}
"""The columns of each report, in the order of its SQL."""


@dataclass(frozen=True)
class Report:
    """What is asked for: `head` are the fields of the JSON object before `rows`."""

    question: str
    parts: tuple[Part, ...]
    form: Form
    head: dict[str, Any]
    with_bom: bool = False


@dataclass(frozen=True)
class Owner:
    """Whose rows a report has, of what is to be shown of him."""

    user_id: int
    erased_before: ErasedBefore


def daily_report(owner: Owner | None, period: Period, form: Form, head: dict[str, Any]) -> Report:
    """Rows by local day of a user, or of the system (None)."""
    clock = clock_over(period.zone, period.start, period.end)
    parameters: dict[str, Any] = {
        "start": clock.start,
        "end": clock.end,
        "clock_starts": list(clock.starts),
        "clock_offsets": list(clock.offsets),
    }
    question = _question("daily_report", owner)
    return Report(question, (_part(question, _of(owner) | parameters),), form, head)


def message_report(owner: Owner | None, period: Period, form: Form, head: dict[str, Any]) -> Report:
    """A row for each message of a user, or of everybody (None)."""
    question = _question("message_report", owner)
    days = _SYSTEM_PART_DAYS if owner is None else _USER_PART_DAYS
    fixed = _of(owner) | {"is_csv": int(form == "csv")}
    return Report(question, _parts(question, period, days, fixed), form, head)


def data_export(owner: Owner, period: Period, head: dict[str, Any]) -> Report:
    """Everything that is kept of each message of a user."""
    parts = _parts("user_export", period, _USER_PART_DAYS, _of(owner))
    return Report("user_export", parts, "json", head)


def cost_export(period: Period, form: Form, account: str, provider: str) -> Report:
    """Every charge of whole UTC days in the columns of FOCUS 1.2."""
    fixed = {"account": account, "provider": provider}
    parts = _parts("cost_export", period, _SYSTEM_PART_DAYS, fixed)
    return Report("cost_export", parts, form, {"focus_version": "1.2"})


def _question(kind: str, owner: Owner | None) -> str:
    return f"system_{kind}" if owner is None else f"user_{kind}"


def _of(owner: Owner | None) -> dict[str, Any]:
    return {} if owner is None else _whose(owner.user_id) | parameter(owner.erased_before)


def _whose(user_id: int | None) -> dict[str, Any]:
    return {} if user_id is None else {"user_id": user_id}


def _parts(question: str, period: Period, days: int, fixed: dict[str, Any]) -> tuple[Part, ...]:
    """The period cut at every `days` UTC days."""
    width = days * DAY_S
    cuts = range(period.start // width * width + width, period.end, width)
    bounds = [period.start, *cuts, period.end]
    return tuple(
        _part(question, fixed | {"start": start, "end": end}) for start, end in pairwise(bounds)
    )


def _part(question: str, parameters: dict[str, Any]) -> Part:
    return Part(question, sql_of(question), parameters)


def head_of(
    user_id: int | None, period: Period, now: float, as_of: datetime | None
) -> dict[str, Any]:
    """What a JSON report says about itself."""
    start, end = (utc(second).astimezone(period.zone) for second in (period.start, period.end))
    zone = period.zone.key
    return _whose(user_id) | {
        "time_range": period.time_range,
        "period": {"start": start.isoformat(), "end": end.isoformat(), "timezone": zone},
        "generated_at": utc(now).isoformat(),
        "data_as_of": None if as_of is None else as_of.isoformat(),
    }


def file_name(kind: str, period: Period, form: Form) -> str:
    """The name that a browser gives the download."""
    days = (utc(second).astimezone(period.zone).date() for second in (period.start, period.end - 1))
    return "_".join((kind, *map(str, days))) + f".{form}"


async def download(report: Report, downloads: Downloads) -> AsyncGenerator[bytes]:
    """The file in chunks. The first one comes only when ClickHouse has begun to answer."""
    is_csv = report.form == "csv"
    rows = downloads.rows(report.parts, "CSV" if is_csv else "JSONEachRow")
    try:
        first = await anext(rows, b"")
        if is_csv:
            header = ",".join(f'"{name}"' for name in COLUMNS[report.question]).encode() + b"\r\n"
            yield (_BOM if report.with_bom else b"") + header + first
            async for chunk in rows:
                yield chunk
        else:
            async for chunk in _json(report.head, first, rows):
                yield chunk
    finally:
        await rows.aclose()


async def _json(
    head: dict[str, Any], first: bytes, rows: AsyncIterator[bytes]
) -> AsyncGenerator[bytes]:
    """One object: lines of rows, with commas between them, in an array.

    A line feed ends a row and occurs nowhere else, since JSON escapes it.
    """
    yield json.dumps(head)[:-1].encode() + b', "rows": [\n'
    pending = first
    async for chunk in rows:
        # Whether the last line feed ends the array is known when the next chunk comes.
        body, pending = pending[:-1], pending[-1:] + chunk
        yield body.replace(b"\n", b",\n")
    yield pending.removesuffix(b"\n").replace(b"\n", b",\n") + b"\n]}\n"
