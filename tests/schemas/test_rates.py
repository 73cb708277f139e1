"""The bundled card is complete, dated and free of ambiguity; bad rows are refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from schemas.rates import TWILIO, ExemptCodes, Rate, bundled_card, card_of, origin_of
from schemas.rows import RATE_ORIGINS

_ROW = {
    "id": "r",
    "country": "US",
    "direction": "outbound",
    "message_type": "sms",
    "base_micros": 1,
    "valid_from": "2026-01-01T00:00:00Z",
    "source": "a test",
}
_KINDS = {(d, t) for d in ("inbound", "outbound") for t in ("sms", "mms")}


def _scope(rate: Rate) -> tuple[str, str | None, str, str]:
    return rate.country, rate.mcc_mnc, rate.direction, rate.message_type


def test_ids_are_unique() -> None:
    counts = Counter(rate.id for rate in bundled_card().rates)
    assert set(counts.values()) == {1}


def test_every_row_names_its_source() -> None:
    assert all(rate.source for rate in bundled_card().rates)
    assert bundled_card().exempt.source


def test_precedence_never_has_to_fall_to_the_id() -> None:
    counts = Counter((_scope(rate), rate.valid_from) for rate in bundled_card().rates)
    assert set(counts.values()) == {1}


def test_every_kind_has_a_fallback() -> None:
    fallbacks = {
        (rate.direction, rate.message_type) for rate in bundled_card().rates if rate.country == "*"
    }
    assert fallbacks == _KINDS


def test_a_carrier_row_stands_beside_its_country() -> None:
    scopes = {_scope(rate) for rate in bundled_card().rates}
    for country, _, direction, message_type in scopes:
        assert (country, None, direction, message_type) in scopes


def test_exempt_codes_are_distinct() -> None:
    codes = bundled_card().exempt.exempt_error_codes
    assert len(codes) == len(set(codes)) > 0


def test_us_prices_are_those_of_the_source() -> None:
    by_id = {rate.id: rate for rate in bundled_card().rates}
    assert by_id["us-sms-out"].base_micros == 8_300
    assert by_id["us-sms-out"].failed_fee_micros == 1_000
    assert by_id["us-mms-out"].base_micros == 22_000
    assert by_id["us-sms-out-att"].carrier_fee_micros == 3_500


def test_inbound_messages_bear_no_failed_fee() -> None:
    rates = bundled_card().rates
    assert {rate.failed_fee_micros for rate in rates if rate.direction == "inbound"} == {0}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("id", ""), ("country", "us"), ("country", "USA"), ("country", "US\n"), ("country", "")],
        *[("direction", "outbound-api"), ("message_type", "rcs"), ("currency", "EUR")],
        *[("base_micros", -1), ("base_micros", 10**12 + 1), ("base_micros", 0.5)],
        *[("carrier_fee_micros", -1), ("failed_fee_micros", -1), ("mcc_mnc", "3104")],
        *[("valid_from", "2026-01-01"), ("valid_from", "soon"), ("source", None)],
    ],
)
def test_bad_rows_are_refused(field: str, value: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match=rf"at `\$\.{field}`"):
        msgspec.convert({**_ROW, field: value}, Rate)


def test_card_of_records() -> None:
    rate = msgspec.convert(_ROW, Rate)
    exempt = ExemptCodes("exempt_error_codes", (30008,))
    assert card_of([exempt, rate]) == card_of([rate, exempt])
    assert card_of([rate]).exempt.exempt_error_codes == ()


def test_origin() -> None:
    rate = bundled_card().rates[0]
    renamed = msgspec.structs.replace(rate, id="another")
    published = msgspec.json.decode(msgspec.json.encode(renamed), type=Rate)
    changed = msgspec.structs.replace(rate, base_micros=rate.base_micros + 1)
    fetched = msgspec.structs.replace(rate, source=TWILIO)
    found = [origin_of(each) for each in (rate, published, changed, fetched)]
    names = {code: name for name, code in RATE_ORIGINS.items()}
    assert [names[code] for code in found] == ["bundled", "bundled", "loaded", "twilio"]
