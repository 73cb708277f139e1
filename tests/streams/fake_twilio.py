"""Twilio's Pricing API, faked where it is HTTP: the one part of the world that no test has."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SID, TOKEN = "AC" + "0" * 32, "a-secret-of-a-test"
_AUTHORIZATION = "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
_LIST = "/v1/Messaging/Countries"

Headers = dict[str, str]


@dataclass
class FakeTwilio:
    """`countries` has the answer of each; `faults` what is answered instead, the first one first:
    a status with headers, a content, or seconds of silence; `pause_s` goes before every answer."""

    countries: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, list[tuple[int, Headers] | bytes | float]] = field(default_factory=dict)
    page_size: int = 2
    pause_s: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    most_at_once: int = 0
    next_page_origin: str = ""
    url: str = ""
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        time.sleep(self.pause_s)
        # Before the answer, after which the client may ask again at once.
        with self._lock:
            self._now -= 1
        self._answer(handler)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = urlsplit(handler.path)
        name = asked.path.removeprefix(_LIST).strip("/") or "list"
        with self._lock:
            self.requests[name] += 1
            waiting = self.faults.get(name)
            fault = waiting.pop(0) if waiting else None
        if handler.headers["Authorization"] != _AUTHORIZATION:
            return _send(handler, 401, b"{}")
        if isinstance(fault, float):
            time.sleep(fault)
            return None
        if isinstance(fault, bytes):
            return _send(handler, 200, fault)
        if fault is not None:
            return _send(handler, fault[0], b"{}", fault[1])
        if name == "list":
            page = int(parse_qs(asked.query).get("Page", ["0"])[0])
            return _send(handler, 200, json.dumps(self._page(page)).encode())
        if name not in self.countries:
            return _send(handler, 404, b"{}")
        return _send(handler, 200, json.dumps(self.countries[name]).encode())

    def _page(self, number: int) -> dict[str, Any]:
        names = list(self.countries)
        first = number * self.page_size
        more = first + self.page_size < len(names)
        origin = self.next_page_origin or self.url
        return {
            "countries": [
                {"country": name, "iso_country": name, "url": f"{self.url}{_LIST}/{name}"}
                for name in names[first : first + self.page_size]
            ],
            "meta": {
                "key": "countries",
                "page": number,
                "next_page_url": f"{origin}{_LIST}?Page={number + 1}" if more else None,
            },
        }


def _send(
    handler: BaseHTTPRequestHandler, status: int, content: bytes, headers: Headers | None = None
) -> None:
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


@contextmanager
def fake_twilio(**state: Any) -> Iterator[FakeTwilio]:
    """A server on a free port of this machine."""
    fake = FakeTwilio(**state)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            fake.answer(self)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def country(
    name: str,
    outbound: dict[tuple[str, str] | None, str],
    inbound: str | None = None,
    unit: str = "USD",
) -> dict[str, Any]:
    """A country's answer: a price by (mcc, mnc), None for all other carriers."""
    return {
        "country": name,
        "iso_country": name,
        "url": "",
        "price_unit": unit,
        "outbound_sms_prices": [
            {
                "carrier": "one",
                "mcc": carrier and carrier[0],
                "mnc": carrier and carrier[1],
                "prices": [_price(price)],
            }
            for carrier, price in outbound.items()
        ],
        "inbound_sms_prices": [] if inbound is None else [_price(inbound)],
    }


def _price(price: str) -> dict[str, str]:
    return {"number_type": "local", "base_price": "9.9", "current_price": price}
