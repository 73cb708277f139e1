"""Settings of the worker and of `rates fetch`, read once from the environment (prefix `SMS_`) and
`.env`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from schemas.settings import Settings

_SID = re.compile(r"(AC|SK)[0-9a-f]{32}", re.ASCII)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
UsdPerUnit = Annotated[Decimal, Field(gt=0)]
DEVELOPMENT_PRIVACY_KEY = "development-privacy-key"


class WorkerSettings(Settings):
    """How a worker folds, flushes and bounds its memory."""

    consumer_group: str = Field("sms-analytics", description="Kafka consumer group of the workers.")
    instance_id: str | None = Field(
        None, description="Static group membership: a restart keeps its partitions."
    )
    session_timeout_s: float = Field(
        20, ge=6, le=300, description="Silence after which a worker's partitions are another's."
    )
    replication_factor: int = Field(
        1, ge=1, description="Of the internal topics that Faust declares."
    )
    output: Literal["all", "user_cells"] = Field(
        "all", description="`user_cells`: 15-minute user cells alone, without usage log."
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


class PriceSettings(Settings):
    """How `rates fetch` asks Twilio's Pricing API, and which of its prices it takes."""

    twilio_account_sid: SecretStr | None = Field(
        None, description="Account SID (`AC…`), or SID of an API key (`SK…`)."
    )
    twilio_auth_token: SecretStr | None = Field(
        None, description="The account's auth token, or the API key's secret."
    )
    twilio_pricing_url: str = Field(
        "https://pricing.twilio.com", description="Origin of Twilio's Pricing API."
    )
    twilio_number_types: list[str] = Field(
        ["local", "mobile", "national", "toll free", "shortcode"],
        min_length=1,
        description="Of the prices for several types of number the first of these counts.",
    )
    twilio_timeout_s: float = Field(10, gt=0, le=60, description="Time-out of one request.")
    twilio_concurrency: int = Field(4, ge=1, le=16, description="Requests at the same time.")
    currency_rates: dict[str, UsdPerUnit] = Field(
        default_factory=dict, description='USD per unit of other currencies, `{"EUR": "1.08"}`.'
    )

    @property
    def has_credentials(self) -> bool:
        """Whether Twilio can be asked at all."""
        return self.twilio_account_sid is not None and self.twilio_auth_token is not None

    @field_validator("twilio_account_sid")
    @classmethod
    def _is_sid(cls, sid: SecretStr | None) -> SecretStr | None:
        if sid is not None and not _SID.fullmatch(sid.get_secret_value()):
            raise ValueError("must be AC or SK and 32 hexadecimal digits")
        return sid

    @field_validator("twilio_auth_token")
    @classmethod
    def _is_token(cls, token: SecretStr | None) -> SecretStr | None:
        text = "-" if token is None else token.get_secret_value()
        if not (text.isascii() and text.isprintable() and 0 < len(text) <= 128 and " " not in text):
            raise ValueError("must be 1 to 128 printable ASCII characters without a space")
        return token

    @field_validator("twilio_pricing_url")
    @classmethod
    def _is_origin(cls, url: str) -> str:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or parts.hostname in _LOOPBACK
        if not is_safe or not parts.hostname or parts.path.strip("/") or parts.username:
            raise ValueError("must be https://host[:port]: it is sent a secret")
        return url.rstrip("/")
