"""Settings of the API process: read once from `SMS_…`, all faults reported at once."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from schemas.settings import Settings

DEVELOPMENT_PREFIX = "development-"
DEVELOPMENT_PRIVACY_KEY = "development-privacy-key"
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", re.ASCII)
Algorithm = Literal["RS256", "ES256", "EdDSA"]
MIN_SECRET_BYTES = 32
"""RFC 7518 section 3.2: a key for HS256 must be at least as long as its hash, 256 bits."""


class ApiSettings(Settings):
    """Who may ask, how much one request may cost, and when the API calls itself ready."""

    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(8000, ge=1, le=65535, description="Port that the API listens on.")

    jwt_secret: SecretStr | None = Field(
        None,
        description="Key of the tokens (HS256), at least 32 bytes; one that begins with "
        "`development-` is refused in production.",
    )
    jwt_jwks_url: str | None = Field(
        None,
        validate_default=True,
        description="Where the issuer of the tokens publishes its keys (a JWK Set); this or a "
        "secret. Production wants https.",
    )
    jwt_algorithms: list[Algorithm] = Field(
        ["RS256", "ES256", "EdDSA"],
        min_length=1,
        description="What keys of the issuer may be used for.",
    )
    jwt_jwks_refresh_s: float = Field(
        300, ge=1, description="Time between two readings of the issuer's keys."
    )
    jwt_issuer: str = Field("sms-analytics", min_length=1, description="Required `iss`.")
    jwt_audience: str = Field("sms-analytics-api", min_length=1, description="Required `aud`.")
    jwt_leeway_s: int = Field(
        5, ge=0, le=300, description="Clock difference allowed when checking `exp` and `iat`."
    )

    privacy_key: str = Field(
        DEVELOPMENT_PRIVACY_KEY, min_length=16, description="Key of the hashes of phone numbers."
    )

    user_requests_per_minute: int = Field(
        300, ge=0, description="Requests of one user in a minute, 429 beyond; 0 is no limit."
    )
    address_failures_per_minute: int = Field(
        120,
        ge=0,
        description="Failing or tokenless requests of one address in a minute, 429 beyond; 0 is "
        "no limit.",
    )
    cors_origins: list[str] = Field(
        [], description='Origins whose pages may ask, `["https://dashboard.example"]`.'
    )

    pool_size: int = Field(8, ge=1, le=256, description="ClickHouse queries at the same time.")
    pool_wait_s: float = Field(
        5, gt=0, description="How long a query waits for its turn before the answer is 503."
    )
    connect_timeout_s: int = Field(3, ge=1, description="Time to reach ClickHouse.")
    query_max_seconds: int = Field(
        10,
        ge=1,
        description="`max_execution_time` of one query; so long the system's wait for a turn.",
    )
    query_max_memory_bytes: int = Field(
        2_000_000_000, ge=10_000_000, description="`max_memory_usage` of one query."
    )
    query_max_rows: int = Field(500_000_000, ge=1, description="`max_rows_to_read` of one query.")

    cache_mb: int = Field(
        256,
        ge=0,
        description="Memory for kept answers, and as much for numbers about users; 0 keeps none.",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="Redis that API processes share limits and kept answers by, "
        "`redis(s)://user:password@host:port/database`.",
    )
    report_streams: int = Field(4, ge=1, description="Reports downloaded at the same time.")
    report_max_seconds: int = Field(
        3600, ge=1, description="`max_execution_time` of a query of a report."
    )
    billing_account: str = Field(
        "sms-analytics", min_length=1, description="`BillingAccountId` of the cost export."
    )
    provider_name: str = Field(
        "Twilio", min_length=1, description="`ProviderName` of the cost export."
    )

    ready_stall_s: int = Field(
        15, ge=1, description="`/readyz` fails when a source made no progress for so long."
    )
    ready_lag_s: int = Field(
        300, ge=1, description="`/readyz` fails when the tables are so far behind the log."
    )
    ready_lag_events: int = Field(
        2_000_000, ge=1, description="`/readyz` fails when so many events wait to be folded."
    )

    rates_stale_hours: int = Field(
        72, ge=1, description="`/readyz` is degraded when fetched prices are older."
    )

    @property
    def seal_key(self) -> bytes:
        """Key of what the API seals for itself, the same in every process: cursors, answers."""
        secret = self.jwt_secret.get_secret_value() if self.jwt_secret else self.privacy_key
        return blake2b(secret.encode(), person=b"seal").digest()

    @field_validator("jwt_secret")
    @classmethod
    def _is_strong(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # A field's validator, not the model's: that one is skipped when any field is at fault.
        if secret is None:
            return None
        key = secret.get_secret_value()
        faults = []
        if len(key.encode()) < MIN_SECRET_BYTES:
            faults.append(f"must be at least {MIN_SECRET_BYTES} bytes long")
        if key.startswith(DEVELOPMENT_PREFIX) and info.data.get("env") == "production":
            faults.append(
                f"begins with `{DEVELOPMENT_PREFIX}`, which SMS_ENV=production refuses: "
                "generate a key for production"
            )
        if faults:
            raise ValueError(" and ".join(faults))
        return secret

    @field_validator("jwt_jwks_url")
    @classmethod
    def _is_issuer(cls, url: str | None, info: ValidationInfo) -> str | None:
        # Both would be two answers to the question who may issue tokens.
        if "jwt_secret" in info.data and (url is None) is (info.data["jwt_secret"] is None):
            raise ValueError("set either SMS_JWT_SECRET or SMS_JWT_JWKS_URL")
        if url is not None:
            parts = urlsplit(url)
            schemes = ("https",) if info.data.get("env") == "production" else ("https", "http")
            if parts.scheme not in schemes or not parts.hostname or "@" in parts.netloc:
                raise ValueError(f"must be {' or '.join(schemes)}://host[:port]/path, no login")
        return url

    @field_validator("redis_url")
    @classmethod
    def _is_redis_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parts = urlsplit(url.get_secret_value())
            if parts.scheme not in ("redis", "rediss") or not parts.hostname:
                raise ValueError("must be redis(s)://user:password@host:port/database")
        return url

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: list[str]) -> list[str]:
        if not all(_ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError("must be a list of origins: scheme://host[:port], no path, no *")
        return origins

    @field_validator("privacy_key")
    @classmethod
    def _is_its_own(cls, key: str, info: ValidationInfo) -> str:
        if key.startswith(DEVELOPMENT_PREFIX) and info.data.get("env") == "production":
            raise ValueError("must be set when SMS_ENV=production")
        return key


class InvalidSettingsError(Exception):
    """The settings cannot be used; `faults` holds one clear sentence for each reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("invalid settings:\n" + "\n".join(f"- {fault}" for fault in faults))
        self.faults = faults


def load_settings() -> ApiSettings:
    """The settings of this environment; raises `InvalidSettingsError` with every fault at once."""
    try:
        return ApiSettings()
    except ValidationError as error:
        raise InvalidSettingsError([_sentence(fault) for fault in error.errors()]) from None


def _sentence(fault: ErrorDetails) -> str:
    """One fault, named by its environment variable; never with its value (it may be a secret)."""
    message = fault["msg"].removeprefix("Value error, ")
    name = "SMS_" + "_".join(str(part) for part in fault["loc"]).upper()
    return message if message.startswith(name) else f"{name}: {message}"
