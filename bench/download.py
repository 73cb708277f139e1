"""A report of 10 million rows at constant memory of the API: `python -m bench.download`.

Rows of one user over 90 days are put straight into the usage log; then both message reports are
downloaded to the end, and the API's memory is looked at before and after.
"""

from __future__ import annotations

import argparse
import sys
import time
import urllib.request

from bench.platform import Platform, peak_rss_mb, report, running

_USER = 7
_DAYS = 89
_OBJECTIVE_MB = 50
_INSERT = """
INSERT INTO usage_log (user_id, occurred_at, message_sid, version, direction, message_type,
                       country_code, status, encoding, segments, cost_source, base_micros)
SELECT {user:UInt64},
       now64(3) - toIntervalMillisecond(intDiv(number * {span_ms:UInt64}, {rows:UInt64})),
       concat('SM', leftPad(toString(number), 32, '0')), 1, 'outbound', 'sms', 'US', 'delivered',
       'GSM-7', 1, 'rate_card', 8300
FROM numbers({rows:UInt64})
"""


def main() -> int:
    """Run once and report; 1 if rows are missing or the API's memory grew beyond the objective."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=10_000_000)
    options = arguments.parse_args()
    with running() as platform:
        return _measure(platform, options.rows)


def _measure(platform: Platform, rows: int) -> int:
    span_ms = _DAYS * 86_400_000
    platform.client.command(_INSERT, parameters={"user": _USER, "span_ms": span_ms, "rows": rows})
    platform.start_api()
    pid = platform.children["API"].pid
    platform.get("/me/sms-analytics?time_range=90d", _USER)
    before = peak_rss_mb(pid)
    figures, is_good = {}, True
    for name, path in (("a user's", "/me"), ("the system's", "/admin")):
        for form in ("csv", "json"):
            lines, size, seconds = _download(platform, path, form)
            is_good &= rows <= lines <= rows + 3
            figures[f"{name} report as {form}"] = (
                f"{lines:,} lines, {size / 1e6:,.0f} MB in {seconds:.0f} s"
            )
    after = peak_rss_mb(pid)
    figures["most memory of the API before and after"] = f"{before} MB, {after} MB"
    report(platform, f"Reports of {rows:,} messages", figures)
    return 0 if is_good and after - before <= _OBJECTIVE_MB else 1


def _download(platform: Platform, path: str, form: str) -> tuple[int, int, float]:
    """Lines, bytes and seconds of a download."""
    route = f"{path}/sms-usage-report?detail=messages&time_range=90d&format={form}"
    began, lines, size = time.monotonic(), 0, 0
    with urllib.request.urlopen(platform.request(route, _USER), timeout=600) as answer:
        while chunk := answer.read(1 << 20):
            lines += chunk.count(b"\n")
            size += len(chunk)
    return lines, size, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
