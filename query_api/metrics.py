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
        self.queries_cancelled = Counter(
            "sms_api_queries_cancelled_total",
            "ClickHouse queries that were ended because nobody waited for them, by question.",
            ("question",),
            registry=self.registry,
        )
        self.cache_requests = Counter(
            "sms_api_cache_requests_total",
            "Answers by where they came from: kept (hit), computed (miss), or being computed for "
            "another request (shared).",
            ("result",),
            registry=self.registry,
        )
        self.cache_hit_ratio = Gauge(
            "sms_api_cache_hit_ratio",
            "Share of answers since the start that were not computed for their own request.",
            registry=self.registry,
        )
        self.cache_warmed = Counter(
            "sms_api_cache_warmed_total",
            "Answers that were computed before anybody asked for them again.",
            registry=self.registry,
        )
        self.cache_bytes = Gauge(
            "sms_api_cache_bytes", "Memory of the kept answers.", registry=self.registry
        )
        self._cached = {"hit": 0, "miss": 0, "shared": 0}
        self.audit_dropped = Counter(
            "sms_api_audit_dropped_total",
            "Refusals that are not in the audit log because too many were waiting.",
            registry=self.registry,
        )
        self.redis_up = Gauge(
            "sms_api_redis_up",
            "Whether Redis answered the last call (1); 0 too where none is configured.",
            registry=self.registry,
        )
        self.redis_failures = Counter(
            "sms_api_redis_failures_total",
            "Calls to Redis that failed, by what they were for.",
            ("use",),
            registry=self.registry,
        )
        self.rates_fetched = Gauge(
            "sms_api_rates_fetched_timestamp_seconds",
            "When prices of every country were last fetched from the provider; 0 for never.",
            registry=self.registry,
        )
        self.rates_fetch_failed = Gauge(
            "sms_api_rates_fetch_failed",
            "1 when the last fetch of prices failed for all or some countries.",
            registry=self.registry,
        )
        self.jwks_refreshes = Counter(
            "sms_api_jwks_refreshes_total",
            "Readings of the token issuer's keys, by how they went: ok or failed.",
            ("result",),
            registry=self.registry,
        )
        self.jwks_keys = Gauge(
            "sms_api_jwks_keys", "Keys by which tokens may be signed.", registry=self.registry
        )
        self.jwks_read_at = Gauge(
            "sms_api_jwks_read_timestamp_seconds",
            "When the issuer's keys were last read.",
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

    def cached(self, result: str) -> None:
        """Count an answer: `hit`, `miss` or `shared`."""
        self.cache_requests.labels(result).inc()
        self._cached[result] += 1
        computed, total = self._cached["miss"], sum(self._cached.values())
        self.cache_hit_ratio.set(1 - computed / total)
