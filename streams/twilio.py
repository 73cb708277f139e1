"""A client of Twilio's Pricing API v1, for messaging; the one way out of the product.

Asks for the list of countries and for the prices of each. Time-outs, sizes, pages and attempts are
limited, redirects are not followed, and the secret goes to the configured origin only; it is in no
message and no log line.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from streams.core.price_list import CountryPrices
from streams.settings import PriceSettings

MAX_ATTEMPTS = 5
MAX_WAIT_S = 60.0
_FIRST_WAIT_S = 0.5
_MAX_BYTES = 8 << 20
_MAX_PAGES = 50
_PATH = "/v1/Messaging/Countries"

Answer = TypeVar("Answer")


class PriceError(Exception):
    """Prices cannot be had; the message says why, without anything secret."""


class CredentialsError(PriceError):
    """Twilio refused the credentials: asking for anything else is pointless."""


class _Country(msgspec.Struct):
    iso_country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$", max_length=2)]


class _Meta(msgspec.Struct):
    next_page_url: str | None = None


class _Page(msgspec.Struct):
    countries: list[_Country]
    meta: _Meta


class PriceClient:
    """Asks until `deadline` (monotonic); may be used by several threads."""

    def __init__(
        self,
        settings: PriceSettings,
        deadline: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        sid, token = settings.twilio_account_sid, settings.twilio_auth_token
        if sid is None or token is None:
            raise CredentialsError(
                "SMS_TWILIO_ACCOUNT_SID and SMS_TWILIO_AUTH_TOKEN must be set to ask Twilio"
            )
        self._origin = settings.twilio_pricing_url
        self._deadline = deadline
        self._sleep = sleep
        self._timeout_s = settings.twilio_timeout_s
        self._http = urllib3.PoolManager(
            maxsize=settings.twilio_concurrency,
            headers={
                **urllib3.make_headers(
                    basic_auth=f"{sid.get_secret_value()}:{token.get_secret_value()}",
                    user_agent="sms-analytics",
                    accept_encoding=True,
                ),
                "Accept": "application/json",
            },
        )

    def countries(self) -> list[str]:
        """The countries that have prices, as ISO 3166 alpha-2."""
        found: list[str] = []
        url = f"{self._origin}{_PATH}?PageSize=500"
        for _ in range(_MAX_PAGES):
            page = self._decoded(url, _Page)
            found += [country.iso_country for country in page.countries]
            if page.meta.next_page_url is None:
                return list(dict.fromkeys(found))
            url = page.meta.next_page_url
            if _origin_of(url) != _origin_of(self._origin):
                raise PriceError(f"{_PATH}: next_page_url leads to another server")
        raise PriceError(f"{_PATH}: more than {_MAX_PAGES} pages")

    def prices(self, country: str) -> CountryPrices:
        """The prices of one country."""
        listed = self._decoded(f"{self._origin}{_PATH}/{country}", CountryPrices)
        if listed.iso_country != country:
            raise PriceError(f"{_PATH}/{country}: the answer is about another country")
        return listed

    def _decoded(self, url: str, kind: type[Answer]) -> Answer:
        content = self._get(url)
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PriceError(f"{urlsplit(url).path}: {error}") from None

    def _get(self, url: str) -> bytes:
        path, reason = urlsplit(url).path, ""
        for attempt in range(MAX_ATTEMPTS):
            if time.monotonic() > self._deadline:
                raise PriceError(f"{path}: no time left {reason}".rstrip())
            wait_s = _FIRST_WAIT_S * 2**attempt * random.uniform(0.5, 1)  # noqa: S311
            try:
                status, content, asked_s = self._once(url)
            except HTTPError as error:
                # Its text may quote the pool and the URL; its kind says enough.
                reason = f"({type(error).__name__})"
            else:
                if status == 200:
                    return content
                if status in (401, 403):
                    raise CredentialsError(f"{path}: Twilio refused the credentials ({status})")
                if status != 429 and status < 500:
                    raise PriceError(f"{path}: answered {status}")
                reason = f"({status})"
                if asked_s is not None and asked_s > MAX_WAIT_S:
                    raise PriceError(
                        f"{path}: answered {status} and asks to wait {asked_s:.0f} s, "
                        f"longer than {MAX_WAIT_S:.0f} s"
                    )
                wait_s = max(wait_s, asked_s or 0)
            if attempt < MAX_ATTEMPTS - 1:
                self._sleep(min(wait_s, max(0.0, self._deadline - time.monotonic())))
        raise PriceError(f"{path}: {MAX_ATTEMPTS} attempts failed {reason}")

    def _once(self, url: str) -> tuple[int, bytes, float | None]:
        """Status, content and the seconds that the answer asks to wait."""
        answer = self._http.request(
            "GET",
            url,
            preload_content=False,
            redirect=False,
            retries=False,
            timeout=urllib3.Timeout(total=self._timeout_s),
        )
        try:
            parts, size = [], 0
            for part in answer.stream(1 << 16):
                parts.append(part)
                size += len(part)
                if size > _MAX_BYTES:
                    raise PriceError(f"{urlsplit(url).path}: more than {_MAX_BYTES >> 20} MiB")
                if time.monotonic() > self._deadline:
                    raise PriceError(f"{urlsplit(url).path}: no time left")
            return answer.status, b"".join(parts), _asked_s(answer.headers.get("Retry-After"))
        finally:
            # A connection whose answer was not read to its end is of no use any more.
            answer.close()


def _asked_s(header: str | None) -> float | None:
    """Seconds from a `Retry-After`, which is a number of them or a date; None for anything else."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _origin_of(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port
