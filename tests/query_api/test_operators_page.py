"""What docs/security.md tells operators to set can be set, and means what it says there."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from query_api.settings import load_settings
from tests.query_api.conftest import NOBODY
from tests.query_api.serving import served

_PAGE = Path(__file__).parents[2] / "docs" / "security.md"
_BLOCKS = re.findall(r"^```sh\n(.*?)^```", _PAGE.read_text(encoding="utf-8"), re.DOTALL | re.M)


def _variables(block: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in block.splitlines() if line)
    return dict(pairs)


@pytest.mark.parametrize("block", _BLOCKS)
def test_every_example_is_accepted(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = _variables(block)
    if "SMS_JWT_JWKS_URL" not in given:
        given["SMS_JWT_SECRET"] = "x" * 32
    for name, text in given.items():
        monkeypatch.setenv(name, text)
    settings = load_settings()
    for name in given:
        if name.startswith("SMS_"):
            assert name.removeprefix("SMS_").lower() in type(settings).model_fields


def test_there_are_examples() -> None:
    names = {name for block in _BLOCKS for name in _variables(block)}
    assert {"SMS_JWT_JWKS_URL", "SMS_REDIS_URL", "FORWARDED_ALLOW_IPS"} <= names


def _statuses(url: str, *addresses: str) -> list[int]:
    """The statuses of failing requests that come, as a proxy says, from these addresses."""
    found = []
    for address in addresses:
        request = Request(f"{url}/nothing", headers={"X-Forwarded-For": address})
        with pytest.raises(HTTPError) as caught:
            urlopen(request)
        found.append(caught.value.code)
        caught.value.close()
    return found


@pytest.mark.live
@pytest.mark.parametrize(
    ("trusted", "statuses"),
    [("127.0.0.1", [404, 404, 404, 429, 404]), ("10.9.9.9", [404, 404, 429, 429, 429])],
)
def test_whose_forwarded_address_counts(
    trusted: str, statuses: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    asked = ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.1", "192.0.2.3")
    with served(tmp_path, clickhouse_url=NOBODY, address_failures_per_minute="2") as url:
        assert _statuses(url, *asked) == statuses
