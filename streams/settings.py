"""Settings of the worker, read once from the environment (prefix `SMS_`) and `.env`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field, model_validator

from schemas.events import MESSAGE_RETENTION_DAYS
from schemas.settings import Settings

UsdPerUnit = Annotated[Decimal, Field(gt=0)]
DEVELOPMENT_PRIVACY_KEY = "development-privacy-key"


class WorkerSettings(Settings):
    """How a worker folds, flushes and bounds its memory."""

    consumer_group: str = Field("sms-analytics", description="Kafka consumer group of the workers.")
    instance_id: str | None = Field(
        None, description="Static group membership: a restart keeps its partitions."
    )
    replication_factor: int = Field(
        1, ge=1, description="Of the internal topics that Faust declares."
    )
    flush_interval_s: float = Field(0.5, gt=0, le=60, description="Time between flushes when live.")
    flush_events: int = Field(
        200_000, ge=1, description="Events after which a flush begins when catching up."
    )
    max_pending_events: int = Field(
        500_000, ge=1, description="Events folded but not durable at which folding waits."
    )
    max_hot_cells: int = Field(
        1_000_000, ge=1000, description="Cells held in memory; older ones are read back on demand."
    )
    max_recent_messages: int = Field(
        500_000, ge=1000, description="Messages held in memory; older ones are looked up."
    )
    sid_filter_mb: int = Field(
        128, ge=1, le=65536, description="Memory of the filter of sids ever seen."
    )
    message_retention_days: int = Field(
        MESSAGE_RETENTION_DAYS, ge=1, le=400, description="Older events are rejected as too_old."
    )
    currency_rates: dict[str, UsdPerUnit] = Field(
        default_factory=dict, description='USD per unit of other currencies, `{"EUR": "1.08"}`.'
    )
    privacy_key: str = Field(
        DEVELOPMENT_PRIVACY_KEY, min_length=16, description="Key of the hashes of phone numbers."
    )
    insert_timeout_s: float = Field(30, gt=0, description="Time-out of one ClickHouse request.")
    metrics_host: str = Field("127.0.0.1", description="Address of the worker's /metrics.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of it; 0 is off.")

    @model_validator(mode="after")
    def _has_its_own_privacy_key(self) -> WorkerSettings:
        if self.env == "production" and self.privacy_key.startswith("development-"):
            raise ValueError("SMS_PRIVACY_KEY must be set when SMS_ENV=production")
        return self
