"""The client of Twilio's Pricing API against a server that behaves, and one that does not."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import ValidationError

from streams import twilio
from streams.settings import PriceSettings
from streams.twilio import MAX_ATTEMPTS, CredentialsError, PriceClient, PriceError
from tests.streams.fake_twilio import SID, TOKEN, FakeTwilio, country, fake_twilio


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PriceSettings.model_config, "env_file", None)


@pytest.fixture
def fake() -> Iterator[FakeTwilio]:
    with fake_twilio() as running:
        yield running


class _Asking:
    """A client, and how long it slept in all of its pauses."""

    def __init__(self, fake: FakeTwilio, patience_s: float = 60, **settings: Any) -> None:
        self.pauses: list[float] = []
        made = PriceSettings(
            **{
                "twilio_account_sid": SID,
                "twilio_auth_token": TOKEN,
                "twilio_pricing_url": fake.url,
            }
            | settings
        )
        self.client = PriceClient(made, time.monotonic() + patience_s, self.pauses.append)


def test_all_pages_of_the_list(fake: FakeTwilio) -> None:
    names = ["US", "DE", "FR", "GB", "EE"]
    fake.countries = {name: country(name, {None: "0.01"}) for name in names}
    assert _Asking(fake).client.countries() == names
    assert fake.requests == {"list": 3}


def test_prices_are_exact_decimals(fake: FakeTwilio) -> None:
    fake.countries["US"] = country("US", {("310", "410"): "0.00830000000000000001"}, "0.0075")
    listed = _Asking(fake).client.prices("US")
    (carrier,) = listed.outbound_sms_prices
    assert str(carrier.prices[0].current_price) == "0.00830000000000000001"
    assert (carrier.mcc, carrier.mnc, listed.price_unit) == ("310", "410", "USD")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_asked_again(fake: FakeTwilio, status: int) -> None:
    fake.countries["US"] = country("US", {None: "0.01"})
    fake.faults["US"] = [(status, {})] * 3
    asking = _Asking(fake)
    assert asking.client.prices("US").iso_country == "US"
    assert fake.requests["US"] == 4
    # Each pause is twice as long as the one before, less up to a half.
    assert [0.25 * 2**n <= pause <= 0.5 * 2**n for n, pause in enumerate(asking.pauses)] == [
        True
    ] * 3


def test_it_waits_as_long_as_it_is_told(fake: FakeTwilio) -> None:
    fake.countries["US"] = country("US", {None: "0.01"})
    in_nine_s = format_datetime(datetime.now(UTC) + timedelta(seconds=9), usegmt=True)
    fake.faults["US"] = [
        (429, {"Retry-After": "7"}),
        (503, {"Retry-After": in_nine_s}),
        (503, {"Retry-After": "soon"}),
    ]
    asking = _Asking(fake)
    asking.client.prices("US")
    assert asking.pauses[0] == 7
    assert 7 < asking.pauses[1] <= 9
    assert asking.pauses[2] <= 2


def test_it_does_not_wait_for_hours(fake: FakeTwilio) -> None:
    fake.faults["US"] = [(429, {"Retry-After": "3600"})]
    with pytest.raises(PriceError, match="429 and asks to wait 3600 s, longer than 60 s"):
        _Asking(fake).client.prices("US")
    assert fake.requests["US"] == 1


def test_it_gives_up_in_the_end(fake: FakeTwilio) -> None:
    fake.faults["US"] = [(500, {})] * 99
    asking = _Asking(fake)
    with pytest.raises(PriceError, match=rf"{MAX_ATTEMPTS} attempts failed \(500\)"):
        asking.client.prices("US")
    assert fake.requests["US"] == MAX_ATTEMPTS
    assert len(asking.pauses) == MAX_ATTEMPTS - 1


def test_silence_is_a_time_out(fake: FakeTwilio) -> None:
    fake.countries["US"] = country("US", {None: "0.01"})
    fake.faults["US"] = [5.0]
    began = time.monotonic()
    assert _Asking(fake, twilio_timeout_s=0.2).client.prices("US").iso_country == "US"
    assert time.monotonic() - began < 4


def test_the_whole_has_a_deadline(fake: FakeTwilio) -> None:
    with pytest.raises(PriceError, match="no time left"):
        _Asking(fake, patience_s=-1).client.prices("US")
    assert not fake.requests


def test_nobody_listens() -> None:
    with fake_twilio() as gone:
        pass
    with pytest.raises(PriceError, match=r"attempts failed \(NewConnectionError\)"):
        _Asking(gone).client.countries()


@pytest.mark.parametrize("status", [400, 404, 301, 302])
def test_what_will_not_pass_is_not_asked_again(fake: FakeTwilio, status: int) -> None:
    fake.faults["US"] = [(status, {"Location": f"{fake.url}/v1/elsewhere"})]
    with pytest.raises(PriceError, match=f"/v1/Messaging/Countries/US: answered {status}"):
        _Asking(fake).client.prices("US")
    assert fake.requests == {"US": 1}


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials(fake: FakeTwilio, status: int) -> None:
    fake.faults["list"] = [(status, {})]
    with pytest.raises(CredentialsError, match=f"refused the credentials \\({status}\\)"):
        _Asking(fake).client.countries()


def test_the_secret_goes_to_one_server_only(fake: FakeTwilio) -> None:
    fake.countries = {name: country(name, {}) for name in ("US", "DE", "FR")}
    fake.next_page_origin = "http://elsewhere.example"
    with pytest.raises(PriceError, match="next_page_url leads to another server"):
        _Asking(fake).client.countries()


def test_pages_without_end(fake: FakeTwilio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio, "_MAX_PAGES", 2)
    fake.countries = {name: country(name, {}) for name in ("US", "DE", "FR", "GB", "EE")}
    with pytest.raises(PriceError, match="more than 2 pages"):
        _Asking(fake).client.countries()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"<html>", "malformed"),
        (b"\xff", "UTF-8|malformed"),
        (b"{}", "missing required field `iso_country`"),
        (b"[]", "Expected `object`"),
        (b'{"iso_country": 1}', "iso_country"),
        (
            b'{"iso_country":"US","price_unit":"USD","outbound_sms_prices":[],'
            b'"inbound_sms_prices":[{"current_price":"free"}]}',
            r"inbound_sms_prices\[0\].current_price",
        ),
        (
            b'{"iso_country":"DE","price_unit":"USD","outbound_sms_prices":[],'
            b'"inbound_sms_prices":[]}',
            "another country",
        ),
    ],
)
def test_an_answer_that_is_none(fake: FakeTwilio, content: bytes, fault: str) -> None:
    fake.faults["US"] = [content]
    with pytest.raises(PriceError, match=fault):
        _Asking(fake).client.prices("US")


def test_an_answer_without_end(fake: FakeTwilio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio, "_MAX_BYTES", 1000)
    fake.faults["US"] = [b" " * 2000]
    with pytest.raises(PriceError, match="more than"):
        _Asking(fake).client.prices("US")


def test_no_log_line_and_no_error_has_the_secret(
    fake: FakeTwilio, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "urllib3")
    fake.faults["US"] = [(500, {}), 0.3, (404, {})]
    asking = _Asking(fake, twilio_timeout_s=0.1)
    with pytest.raises(PriceError) as caught:
        asking.client.prices("US")
    settings = PriceSettings(twilio_account_sid=SID, twilio_auth_token=TOKEN)
    said = f"{caplog.text} {caught.value!r} {caught.getrepr()} {settings!r}"
    assert "/v1/Messaging/Countries/US" in caplog.text
    assert TOKEN not in said
    assert SID not in said


def test_without_credentials_nothing_is_asked(fake: FakeTwilio) -> None:
    with pytest.raises(CredentialsError, match="SMS_TWILIO_ACCOUNT_SID and SMS_TWILIO_AUTH_TOKEN"):
        _Asking(fake, twilio_auth_token=None)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("twilio_account_sid", "AC12", "AC or SK and 32 hexadecimal"),
        ("twilio_auth_token", "two words", "printable ASCII"),
        ("twilio_auth_token", "", "printable ASCII"),
        ("twilio_pricing_url", "http://pricing.example", "must be https"),
        ("twilio_pricing_url", "https://pricing.example/v1", "must be https"),
        ("twilio_pricing_url", "https://a:b@pricing.example", "must be https"),
        ("twilio_number_types", [], "at least 1"),
        ("twilio_timeout_s", 61, "60"),
        ("twilio_concurrency", 17, "16"),
        ("currency_rates", {"EUR": "0"}, "greater than 0"),
    ],
)
def test_settings_are_checked(name: str, value: Any, fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        PriceSettings(**{name: value})
