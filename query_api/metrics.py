"""Every metric of the API process, named in one place; units are in the names."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """One registry per app, so that several may live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sms_api_requests_total",
            "Answers by route template and status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "sms_api_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.query_seconds = Histogram(
            "sms_api_query_seconds",
            "Time of one ClickHouse query, by question.",
            ("question",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.query_failures = Counter(
            "sms_api_query_failures_total",
            "ClickHouse queries that failed, by question and reason.",
            ("question", "reason"),
            registry=self.registry,
        )
        self.audit_dropped = Counter(
            "sms_api_audit_dropped_total",
            "Refusals that are not in the audit log because too many were waiting.",
            registry=self.registry,
        )
        self.pool_size = Gauge(
            "sms_api_pool_size",
            "ClickHouse queries that may run at the same time.",
            registry=self.registry,
        )
        self.pool_in_use = Gauge(
            "sms_api_pool_in_use",
            "ClickHouse queries that run now.",
            registry=self.registry,
        )
