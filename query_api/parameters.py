"""Query and path parameters of the analytics routes, as FastAPI documents and checks them.

A parameter that is not known is refused: misspelt, it would silently ask another question.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from query_api.cursor import MAX_CHARACTERS
from query_api.errors import invalid
from query_api.performance import Window
from query_api.period import MAX_DAYS, Period, TimeRange, requested_zone, resolve_period
from query_api.questions import Order
from query_api.tokens import MAX_USER_ID
from query_api.zones import DAY_S
from schemas.statuses import STATUSES

_DATE_TIME: JsonDict = {"format": "date-time"}
_CURSOR = "`next_cursor` of the page before; all other parameters as there."
Status = Literal[STATUSES]  # type: ignore[valid-type]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Paged(_Parameters):
    """Parameters with a `limit` and a `cursor`."""

    def asked(self) -> str:
        """What a cursor belongs to: every parameter but the page itself."""
        return self.model_dump_json(exclude={"cursor", "limit"})


class RangeParameters(_Parameters):
    """The range of time: named, or start and end."""

    time_range: TimeRange | None = Field(
        None,
        description="So many local calendar days up to now, today included (`1y`: 365). "
        "Without start and end the default is `30d`.",
        examples=["30d"],
    )
    start: str | None = Field(
        None,
        max_length=40,
        description="Begin of the range: RFC 3339 with an offset, on a 15-minute boundary.",
        examples=["2026-01-01T00:00:00Z"],
        json_schema_extra=_DATE_TIME,
    )
    end: str | None = Field(
        None,
        max_length=40,
        description=f"End of the range, not included, at most {MAX_DAYS} days after start.",
        examples=["2026-02-01T00:00:00Z"],
        json_schema_extra=_DATE_TIME,
    )
    timezone: str = Field(
        "UTC",
        max_length=64,
        description="IANA name of the zone whose days and hours are meant.",
        examples=["America/New_York"],
    )

    def period(self, now: float) -> Period:
        """The period that is meant at `now` (epoch seconds); raises `InvalidParametersError`."""
        return resolve_period(self.time_range, self.start, self.end, self.timezone, now)


class SystemParameters(RangeParameters, _Paged):
    """The range of time, and a page of the comparison of users."""

    order_by: Order = Field("messages", description="The number by which users are ordered.")
    order: Literal["desc", "asc"] = Field("desc", description="Largest or smallest first.")
    limit: int = Field(20, ge=1, le=500, description="Users on a page.")
    cursor: str | None = Field(None, min_length=1, max_length=MAX_CHARACTERS, description=_CURSOR)


class ReportParameters(RangeParameters):
    """The range of time, and what the file looks like."""

    format: Literal["csv", "json"] = Field("csv", description="Of the file.")
    detail: Literal["daily", "messages"] = Field(
        "daily", description="A row for each local day, or for each message."
    )
    bom: bool = Field(
        False, description="Begin a CSV file with a byte order mark, which Excel wants for UTF-8."
    )

    @model_validator(mode="after")
    def _has_bom_in_csv_only(self) -> Self:
        if self.bom and self.format != "csv":
            raise ValueError("bom goes with format=csv only")
        return self


class CostExportParameters(_Parameters):
    """The whole UTC days of an export, and its format."""

    time_range: TimeRange | None = Field(
        None, description="So many UTC days, today included.", examples=["30d"]
    )
    start: str | None = Field(
        None,
        max_length=40,
        description="Begin of the range: RFC 3339, midnight in UTC.",
        examples=["2026-01-01T00:00:00Z"],
        json_schema_extra=_DATE_TIME,
    )
    end: str | None = Field(
        None,
        max_length=40,
        description=f"End of the range, not included, at most {MAX_DAYS} days after start.",
        examples=["2026-02-01T00:00:00Z"],
        json_schema_extra=_DATE_TIME,
    )
    format: Literal["csv", "json"] = Field("csv", description="Of the file.")

    def whole_days(self, now: float) -> Period:
        """The UTC days that are meant at `now`; raises `InvalidParametersError`."""
        period = resolve_period(self.time_range, self.start, self.end, "UTC", now)
        if period.days is not None:
            return replace(period, end=-(-period.end // DAY_S) * DAY_S)
        for name, second in (("start", period.start), ("end", period.end)):
            if second % DAY_S:
                raise invalid(name, f"{name} must be midnight in UTC")
        return period


class PerformanceParameters(_Parameters):
    """How far back, and whose hours."""

    window: Window = Field("24h", description="Up to now.")
    timezone: str = Field(
        "UTC", max_length=64, description="IANA name of the zone whose hours are meant."
    )

    def zone(self) -> ZoneInfo:
        """The zone; raises `InvalidParametersError`."""
        return requested_zone(self.timezone)


class AuditParameters(_Paged):
    """Which entries of the audit log, and a page of them."""

    actor_id: int | None = Field(None, ge=0, le=MAX_USER_ID, description="Who asked; 0: nobody.")
    subject_id: int | None = Field(
        None, ge=0, le=MAX_USER_ID, description="Whose data; 0: the system's."
    )
    decision: Literal["allowed", "refused"] | None = Field(None, description="Only these.")
    from_: str | None = Field(
        None,
        alias="from",
        max_length=40,
        description="At or after it: RFC 3339 with an offset.",
        json_schema_extra=_DATE_TIME,
    )
    to: str | None = Field(
        None,
        max_length=40,
        description="Before it: RFC 3339 with an offset.",
        json_schema_extra=_DATE_TIME,
    )
    limit: int = Field(100, ge=1, le=1000, description="Entries on a page.")
    cursor: str | None = Field(None, min_length=1, max_length=MAX_CHARACTERS, description=_CURSOR)


class UserSearchParameters(_Paged):
    """Which users, and a page of them."""

    user_id: int | None = Field(None, ge=1, le=MAX_USER_ID, description="Only this user.")
    phone_number: str | None = Field(
        None,
        pattern=r"^\+[1-9][0-9]{1,14}$",
        description="Only users whose messages came by this number, E.164 (write + as %2B).",
    )
    limit: int = Field(50, ge=1, le=500, description="Users on a page.")
    cursor: str | None = Field(None, min_length=1, max_length=MAX_CHARACTERS, description=_CURSOR)


class MessageParameters(_Paged):
    """Which messages of a user, and a page of them."""

    direction: Literal["inbound", "outbound"] | None = Field(None, description="Only these.")
    status: Status | None = Field(None, description="Only messages whose current status it is.")
    country: str | None = Field(
        None,
        pattern="^[A-Z]{2}$",
        description="ISO 3166 alpha-2 of the other party.",
        examples=["US"],
    )
    error_code: int | None = Field(
        None, ge=-(2**31), le=2**31 - 1, description="Only messages that bear it now."
    )
    from_: str | None = Field(
        None,
        alias="from",
        max_length=40,
        description="Only what occurred at or after it: RFC 3339 with an offset.",
        examples=["2026-01-01T00:00:00Z"],
        json_schema_extra=_DATE_TIME,
    )
    to: str | None = Field(
        None,
        max_length=40,
        description="Only what occurred before it: RFC 3339 with an offset.",
        examples=["2026-02-01T00:00:00Z"],
        json_schema_extra=_DATE_TIME,
    )
    limit: int = Field(100, ge=1, le=1000, description="Messages on a page.")
    cursor: str | None = Field(None, min_length=1, max_length=MAX_CHARACTERS, description=_CURSOR)


UserIdPath = Annotated[int, Path(ge=1, le=MAX_USER_ID, description="The user asked about.")]
MessageSidPath = Annotated[str, Path(min_length=1, max_length=64, description="The message.")]
