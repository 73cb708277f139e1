"""A thousand clients of the API: `python -m bench.clients [--times 100]`.

Ninety days of 1,000 users lie in ClickHouse (10,000 messages a day, or `--times` as many), 10 live
events a second come in through Kafka and the worker, rate limits are at their defaults. As many
clients as users ask again one second after each answer: a user's usage and costs in turn, over a
range and in a zone of his own, and a few admins the system's. Then one client asks each route for
users whom nobody asked about, and both are done without the cache. Everything is one machine's:
the load generator, too, whose CPU is printed.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from bench import bare
from bench.history import PER_DAY, USERS, fill
from bench.platform import Platform, cpu_s, report, running

_ADMINS = 5
_EVENTS_PER_S = 10
_THINK_S = 1.0
_SETTLE_S = 15
_WORKER_PATIENCE_S = 120
_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
_RANGES = ("7d", "30d", "30d", "90d")
_BASE = "/api/v1/analytics"
_SYSTEM = "/admin/sms-analytics/system"
_COLD_SAMPLES = 60
_ATTEMPTS = 20
_P99_MS, _COLD_USER_MS, _COLD_SYSTEM_MS = 500, 100, 300
_CACHED = re.compile(r'^sms_api_cache_requests_total\{result="(\w+)"\} (\S+)$', re.MULTILINE)


@dataclass
class Measured:
    """What one run of the load generator gave."""

    times_ms: list[float]
    statuses: dict[str, int]
    seconds: float
    cpu: dict[str, float] = field(default_factory=dict)
    cached: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.times_ms) / self.seconds

    @property
    def errors(self) -> dict[str, int]:
        """Everything that is not an answer."""
        return {status: number for status, number in self.statuses.items() if status != "200"}

    def percentile(self, percent: float) -> float:
        """Nearest rank, in ms."""
        return percentile(self.times_ms, percent)

    @property
    def hit_ratio(self) -> float:
        """Share of the answers that were not computed for their own request."""
        total = sum(self.cached.values())
        return 1 - self.cached.get("miss", 0) / total if total else 0.0


def percentile(ordered: list[float], percent: float) -> float:
    """Nearest rank."""
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)] if ordered else math.nan


def main() -> int:
    """Run once and report; 1 if an objective is missed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=1, help="as many messages")
    arguments.add_argument("--seconds", type=int, default=60, help="of each measurement")
    arguments.add_argument("--start", type=int, default=120, help="seconds in which all begin")
    arguments.add_argument("--history", type=Path, help="tables made before (see bench.history)")
    arguments.add_argument("--only", choices=("load", "cold"), help="many clients, or one")
    options = arguments.parse_args()
    with running(options.history) as platform:
        return _Bench(platform, options).run()


class _Bench:
    def __init__(self, platform: Platform, options: argparse.Namespace) -> None:
        self._platform = platform
        self._options = options
        self._tokens = {user: platform.token(user, ["user"]) for user in range(1, USERS + 1)}
        self._figures: dict[str, str] = {}
        self._fresh = count()

    def run(self) -> int:
        platform, options = self._platform, self._options
        per_day = PER_DAY * options.times
        if options.history is None:
            began = time.monotonic()
            rows = fill(platform.client, per_day, USERS)
            self._figures["messages put in"] = f"{rows:,} in {time.monotonic() - began:.0f} s"
        _begin_epoch(platform)
        platform.start("worker", "streams.worker")
        simulate = ("simulate", "--rate", str(_EVENTS_PER_S), "--users", str(USERS))
        platform.start("router", "deploy.cli", *simulate, "--receipts", "0.3")
        _await_worker(platform)
        name, is_good = f"{per_day:,} messages a day", True
        if options.only != "cold":
            is_good &= self._under_load()
            report(platform, f"{USERS:,} clients of the API, {name}", self._take())
        if options.only != "load":
            is_good &= self._one_client()
            report(platform, f"One client of the API, {name}", self._take())
        return 0 if is_good else 1

    def _take(self) -> dict[str, str]:
        figures, self._figures = self._figures, {}
        return figures

    def _under_load(self) -> bool:
        with self._api():
            calm = self._load("with the cache", _THINK_S)
            full = self._load("asking at once, with the cache", 0)
        self._figures["saturation with the cache"] = _saturation(full)
        with self._api(SMS_CACHE_MB="0"):
            none = self._load("without the cache", 0, clients=16)
        self._figures["saturation without the cache"] = _saturation(none)
        return calm.percentile(99) < _P99_MS and not calm.errors

    def _load(self, name: str, pause_s: float, clients: int | None = None) -> Measured:
        """Run the generator; without a pause it begins at once, for a third of the time."""
        is_calm = pause_s > 0
        plan = {
            "port": self._platform.api_port,
            "clients": self._clients(clients),
            "pause_s": pause_s,
            "start_s": self._options.start if is_calm else 1,
            "settle_s": _SETTLE_S if is_calm else 2,
            "measure_s": self._options.seconds if is_calm else self._options.seconds / 3,
        }
        measured = self._measure(plan)
        if is_calm:
            self._figures |= _calm_figures(name, measured)
        print(name, _saturation(measured), flush=True)
        return measured

    def _clients(self, number: int | None) -> list[list[str]]:
        """Each client's requests, as they go over the wire."""
        every = [self._questions(user) for user in range(1, USERS + 1)]
        if number is None:
            return every
        return [[text for own in every[i::number] for text in own] for i in range(number)]

    def _questions(self, user: int) -> list[str]:
        """What a user asks in turn; the last ones are admins."""
        span = f"time_range={_RANGES[user // 4 % 4]}&timezone={_ZONES[user % 4]}"
        if user > USERS - _ADMINS:
            token = self._platform.token(user, ["user", "admin"])
            paths = [f"{_SYSTEM}?{span}", f"/admin/users/{user - 500}/sms-analytics?{span}"]
        else:
            token = self._tokens[user]
            paths = [f"/me/sms-analytics?{span}", f"/me/sms-costs?{span}"]
        return [_request(path, token) for path in paths]

    def _measure(self, plan: dict[str, Any]) -> Measured:
        file = self._platform.directory / "plan.json"
        file.write_text(json.dumps(plan))
        command = [sys.executable, "-m", "bench.load", str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as generator:
            assert generator.stdout is not None
            generator.stdout.readline()
            pids = {name: child.pid for name, child in self._platform.children.items()}
            before, cached = {name: cpu_s(pid) for name, pid in pids.items()}, self._cached()
            found = json.loads(generator.stdout.readline())
        measured = Measured(found["times_ms"], found["statuses"], found["seconds"])
        measured.cpu = {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
        measured.cpu["load generator"] = found["cpu_s"]
        measured.cached = {name: n - cached.get(name, 0) for name, n in self._cached().items()}
        return measured

    def _cached(self) -> dict[str, float]:
        url = f"http://127.0.0.1:{self._platform.api_port}/metrics"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return {name: float(n) for name, n in _CACHED.findall(answer.read().decode())}

    @contextmanager
    def _api(self, **environment: str) -> Iterator[None]:
        """The API while the block lasts, with limits as they are by default."""
        self._platform.start_api(SMS_USER_REQUESTS_PER_MINUTE="300", **environment)
        yield
        self._platform.children.pop("API").stop(10)

    def _one_client(self) -> bool:
        """Each route for users of whom nothing is kept: cold, and against the bare queries."""
        is_good = True
        with self._api(SMS_CACHE_MB="0"):
            for name, path, is_user in (
                *((f"/me/sms-analytics {r}", f"/me/sms-analytics?time_range={r}", True)
                  for r in ("7d", "30d", "90d")),
                *((f"/me/sms-costs {r}", f"/me/sms-costs?time_range={r}", True)
                  for r in ("7d", "30d", "90d")),
                *((f"{_SYSTEM} {r}", f"{_SYSTEM}?time_range={r}", False) for r in ("7d", "90d")),
            ):  # fmt: skip
                for zone in ("UTC", "Europe/Berlin"):
                    is_good &= self._cold(f"{name}, {zone}", f"{path}&timezone={zone}", is_user)
            for path, is_user in (
                ("/me/messages?limit=100", True),
                ("/me/messages?limit=100&status=failed", True),
                ("/admin/sms-performance", False),
                ("/admin/users?limit=100", False),
                ("/admin/users?phone_number=%2B4915112345678", False),
            ):
                is_good &= self._cold(path, path, is_user, is_rollup=False)
        return is_good

    def _cold(self, name: str, path: str, is_user: bool, *, is_rollup: bool = True) -> bool:
        """Ask a route one after the other; an answer from rollups beside its queries alone."""
        users = [1 + 37 * next(self._fresh) % USERS for _ in range(_COLD_SAMPLES)]
        times = sorted(self._timed(path, user, is_user) for user in users)
        p50, p95 = percentile(times, 50), percentile(times, 95)
        what, figure = f"cold {name}: p50, p95", f"{p50:.0f} ms, {p95:.0f} ms"
        if is_rollup:
            alone = [bare.seconds(self._platform, path, user) * 1000 for user in users[:10]]
            least = percentile(sorted(alone), 50)
            what += ", queries alone, ratio"
            figure += f", {least:.0f} ms, {p50 / least:.2f}"
        self._figures[what] = figure
        print(name, figure, flush=True)
        return p95 < (_COLD_USER_MS if is_user else _COLD_SYSTEM_MS)

    def _timed(self, path: str, user: int, is_user: bool) -> float:
        # As many admins: one alone would come to his rate limit.
        token = self._tokens[user] if is_user else self._platform.token(user, ["user", "admin"])
        url = f"http://127.0.0.1:{self._platform.api_port}{_BASE}{path}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
        return (time.perf_counter() - began) * 1000


def _begin_epoch(platform: Platform) -> None:
    """The history is of an earlier topic. A broker that has just begun knows no groups yet."""
    for attempt in range(_ATTEMPTS):
        try:
            platform.run("deploy.cli", "epoch", "next")
            return
        except RuntimeError:
            platform.children.pop("command", None)
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(1)


def _await_worker(platform: Platform) -> None:
    """Until its first flush: before it, it reads back what it counted, with a core of its own."""
    began = time.time()
    ask = (
        "SELECT count() FROM source_progress"
        # The command that begins an epoch writes rows, too, where nothing is read yet.
        f" WHERE updated_at > fromUnixTimestamp({int(began)}) AND next_offset > 0"
    )
    while not platform.client.command(ask):
        if time.time() > began + _WORKER_PATIENCE_S:
            raise RuntimeError("The worker has not written anything.")
        time.sleep(1)
    time.sleep(_SETTLE_S)


def _request(path: str, token: str) -> str:
    return (
        f"GET {_BASE}{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )


def _calm_figures(name: str, measured: Measured) -> dict[str, str]:
    times = (f"{measured.percentile(p):.0f}" for p in (50, 95, 99, 100))
    cores: Callable[[float], str] = lambda used: f"{used / measured.seconds:.2f}"  # noqa: E731
    return {
        f"{name}: answers/s, errors": f"{measured.rate:,.0f}, {measured.errors or 0}",
        f"{name}: p50, p95, p99, max": f"{', '.join(times)} ms",
        f"{name}: hit ratio, computed a second": f"{measured.hit_ratio:.3f},"
        f" {measured.cached.get('miss', 0) / measured.seconds:.1f}",
        f"{name}: cores used": ", ".join(f"{n} {cores(s)}" for n, s in measured.cpu.items()),
    }


def _saturation(measured: Measured) -> str:
    cores = {name: used / measured.seconds for name, used in measured.cpu.items()}
    return (
        f"{measured.rate:,.0f} answers/s, p50 {measured.percentile(50):.0f} ms,"
        f" p99 {measured.percentile(99):.0f} ms, errors {measured.errors or 0},"
        f" hit ratio {measured.hit_ratio:.3f};"
        f" cores: {', '.join(f'{name} {used:.2f}' for name, used in cores.items())}"
    )


if __name__ == "__main__":
    sys.exit(main())
