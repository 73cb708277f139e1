"""Downloads: usage reports of a user and of the system, and the cost export for admins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from query_api import questions, reports
from query_api.access import as_admin, as_user
from query_api.backend import Backend, WithBackend
from query_api.freshness import freshness
from query_api.parameters import CostExportParameters, ReportParameters
from query_api.reports import Owner, Report
from query_api.routes.documented import ERRORS, FILES
from query_api.tokens import Principal

router = APIRouter(tags=["reports"], responses=ERRORS)


@router.get(
    "/api/v1/analytics/me/sms-usage-report",
    summary="My usage as a file",
    response_class=StreamingResponse,
    responses=FILES,
)
async def my_sms_usage_report(
    principal: Annotated[Principal, Depends(as_user)],
    backend: WithBackend,
    parameters: Annotated[ReportParameters, Query()],
) -> StreamingResponse:
    """Daily rows by direction, type and country, or a row for each message."""
    return await _usage_report(backend, principal.user_id, parameters)


@router.get(
    "/api/v1/analytics/admin/sms-usage-report",
    summary="The system's usage as a file",
    response_class=StreamingResponse,
    responses=FILES,
    dependencies=[Depends(as_admin)],
)
async def system_sms_usage_report(
    backend: WithBackend, parameters: Annotated[ReportParameters, Query()]
) -> StreamingResponse:
    """Daily rows by direction, type and country, or a row for each message with its user."""
    return await _usage_report(backend, None, parameters)


@router.get(
    "/api/v1/analytics/admin/cost-export",
    summary="All costs in the columns of FOCUS 1.2",
    response_class=StreamingResponse,
    responses=FILES,
    dependencies=[Depends(as_admin)],
)
async def cost_export(
    backend: WithBackend, parameters: Annotated[CostExportParameters, Query()]
) -> StreamingResponse:
    """A row for each charge of a UTC day: user, direction, type, country and kind of charge."""
    settings = backend.settings
    period = parameters.whole_days(backend.clock())
    report = reports.cost_export(
        period, parameters.format, settings.billing_account, settings.provider_name
    )
    name = reports.file_name("cost-export", period, parameters.format)
    return await as_download(backend, report, name)


async def _usage_report(
    backend: Backend, user_id: int | None, parameters: ReportParameters
) -> StreamingResponse:
    now = backend.clock()
    period = parameters.period(now)
    fresh = freshness(await questions.source_progress(backend.pool))
    head = reports.head_of(user_id, period, now, fresh.data_as_of)
    make = reports.daily_report if parameters.detail == "daily" else reports.message_report
    owner = None if user_id is None else await owner_of(backend, user_id)
    report = make(owner, period, parameters.format, head)
    name = reports.file_name("sms-usage-report", period, parameters.format)
    return await as_download(backend, report, name, with_bom=parameters.bom)


async def owner_of(backend: Backend, user_id: int) -> Owner:
    """Whose rows a report is to have, and which of them."""
    return Owner(user_id, await backend.stamps.erased_before(user_id))


async def as_download(
    backend: Backend, report: Report, name: str, *, with_bom: bool = False
) -> StreamingResponse:
    """The report as a download; a failure before the first rows is still a problem document."""
    report = Report(report.question, report.parts, report.form, report.head, with_bom)
    chunks = reports.download(report, backend.downloads)
    first = await anext(chunks)

    async def body() -> AsyncIterator[bytes]:
        try:
            yield first
            async for chunk in chunks:
                yield chunk
        finally:
            await chunks.aclose()

    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(body(), 200, headers, media_type=reports.MEDIA_TYPES[report.form])
