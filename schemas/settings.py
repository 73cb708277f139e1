"""Settings that every process shares; each process's own class extends this one.

Read once from the environment (prefix `SMS_`) and a `.env` file, passed on as an argument.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.events import MESSAGE_RETENTION_DAYS


class Settings(BaseSettings):
    """Where the back ends are, and whether this is a production."""

    # An error must not quote what was set: it may be a password or a key.
    model_config = SettingsConfigDict(
        env_prefix="SMS_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    env: Literal["development", "production"] = Field(
        "development", description="`production` refuses development keys."
    )
    kafka_url: str = Field(
        "kafka://127.0.0.1:9092", description="Broker(s): `kafka://host:port[,host:port]`."
    )
    clickhouse_url: str = Field(
        "http://127.0.0.1:8123/default",
        description="`http(s)://user:password@host:port/database`.",
    )

    message_retention_days: int = Field(
        MESSAGE_RETENTION_DAYS, ge=1, le=400, description="How long messages are kept."
    )
    rollup_retention_days: int = Field(
        MESSAGE_RETENTION_DAYS, ge=1, le=4000, description="How long totals are kept."
    )
    topic_retention_days: float = Field(
        7, gt=0, le=400, description="How long the usage topic holds events."
    )
    dead_letter_retention_days: float = Field(
        7, gt=0, le=400, description="How long dead letters are kept."
    )

    @field_validator("clickhouse_url")
    @classmethod
    def _is_clickhouse_url(cls, url: str) -> str:
        clickhouse_arguments(url)
        return url

    @property
    def bootstrap_servers(self) -> str:
        """`kafka_url` as librdkafka and aiokafka take it: `host:port[,host:port]`."""
        return self.kafka_url.removeprefix("kafka://")


def clickhouse_arguments(url: str) -> dict[str, Any]:
    """The keyword arguments of `clickhouse_connect.get_client` for a `SMS_CLICKHOUSE_URL`.

    Raises ValueError, naming what is wrong, unless it is `http(s)://[user[:password]@]host
    [:port][/database]`.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("SMS_CLICKHOUSE_URL must be http(s)://user:password@host:port/database")
    secure = parts.scheme == "https"
    return {
        "interface": parts.scheme,
        "host": parts.hostname,
        "port": parts.port or (8443 if secure else 8123),
        "username": unquote(parts.username) if parts.username else "default",
        "password": unquote(parts.password or ""),
        "database": parts.path.strip("/") or "default",
    }
