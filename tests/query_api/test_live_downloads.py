"""Downloads and their turns: a client that leaves gives his back, a broken one is broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from query_api.downloads import Downloads, Part
from query_api.errors import UnavailableError
from query_api.metrics import Metrics
from query_api.settings import ApiSettings
from tests.query_api.credentials import SECRET
from tests.query_api.link import Link

pytestmark = pytest.mark.live

_ROWS = 3_000_000


def _part(rows: int) -> Part:
    return Part("numbers", "SELECT number FROM numbers({rows:UInt64})", {"rows": rows})


@pytest.fixture
def link(clickhouse: str) -> Iterator[Link]:
    link = Link(clickhouse)
    yield link
    link.cut()


def _downloads(url: str, streams: int = 1) -> Downloads:
    settings = ApiSettings(
        jwt_secret=SECRET,
        clickhouse_url=url,
        connect_timeout_s=1,
        report_streams=streams,
        pool_wait_s=0.3,
    )
    return Downloads(settings, Metrics())


def test_parts_follow_one_another(link: Link) -> None:
    async def story() -> bytes:
        rows = _downloads(link.url).rows([_part(3), _part(0), _part(2)], "CSV")
        return b"".join([chunk async for chunk in rows])

    assert asyncio.run(story()) == b"0\r\n1\r\n2\r\n0\r\n1\r\n"


def test_who_leaves_gives_his_turn_back(link: Link) -> None:
    async def story() -> None:
        downloads = _downloads(link.url)
        left = downloads.rows([_part(_ROWS)], "CSV")
        assert (await anext(left)).startswith(b"0\r\n1\r\n")
        waiting = downloads.rows([_part(2)], "CSV")
        with pytest.raises(UnavailableError, match="Too many reports"):
            await anext(waiting)
        await left.aclose()
        again = downloads.rows([_part(2)], "CSV")
        assert [chunk async for chunk in again] == [b"0\r\n1\r\n"]

    asyncio.run(story())


def test_a_request_that_is_cancelled_gives_its_turn_back(link: Link) -> None:
    async def story() -> None:
        downloads = _downloads(link.url)

        async def read() -> None:
            async for _ in downloads.rows([_part(_ROWS)] * 50, "CSV"):
                pass

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.3)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        again = downloads.rows([_part(1)], "CSV")
        assert [chunk async for chunk in again] == [b"0\r\n"]

    asyncio.run(story())


def test_a_connection_that_breaks_breaks_the_download_off(link: Link) -> None:
    async def story() -> None:
        rows = _downloads(link.url).rows([_part(_ROWS * 10)], "CSV")
        await anext(rows)
        link.cut()
        with pytest.raises(UnavailableError, match="cannot be reached"):
            async for _ in rows:
                pass

    asyncio.run(story())


def test_a_query_that_fails_at_once_is_an_error_before_any_byte(link: Link) -> None:
    async def story() -> None:
        part = Part("broken", "SELECT number FROM nothing_like_this", {})
        with pytest.raises(UnavailableError, match="migrations"):
            await anext(_downloads(link.url).rows([part], "CSV"))

    asyncio.run(story())
