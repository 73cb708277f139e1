"""Rate cards as files: what is read, and faults that name their field and its limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.rates import bundled_card
from streams import card_files
from streams.card_files import read_card

_CARD = """
[exempt]
id = "exempt_error_codes"
exempt_error_codes = [30008]

[[rates]]
id = "any"
country = "*"
direction = "outbound"
message_type = "sms"
base_micros = 100
valid_from = "2026-01-01T00:00:00Z"
source = "a test"

[[rates]]
id = "german"
country = "DE"
direction = "outbound"
message_type = "sms"
base_micros = 200
valid_from = "2026-01-01T00:00:00Z"
source = "a test"
"""


def _read(directory: Path, text: str) -> object:
    path = directory / "given"
    path.write_text(text, encoding="utf-8")
    return read_card(path)


def test_the_bundled_card_is_a_file_like_any_other() -> None:
    path = Path(__file__).parents[2] / "schemas" / "rate_card.toml"
    assert read_card(path) == bundled_card()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("base_micros = 100", "base_micros = -1", r"`int` >= 0 - at `\$.rates\[0\].base_micros`"),
        ("= 100", "= 1000000000001", r"`int` <= 1000000000000 - at `\$.rates\[0\].base_micros`"),
        ("base_micros = 100", "base_micro = 100", "missing required field `base_micros`"),
        (
            "base_micros = 100",
            "base_micros = 100\ncarrier_fee = 5",
            r"unknown field `carrier_fee` at `\$.rates\[0\]`; known: .*carrier_fee_micros",
        ),
        ("codes = [", "codes = []\nexempt = [", "unknown field `exempt` at"),
        ("[exempt]", "[general]\n[exempt]", r"unknown field `general` at `\$`"),
        ('country = "*"', 'country = "Germany"', "country"),
        ('direction = "outbound"', "", "direction"),
        ("[30008]", '["x"]', "exempt_error_codes"),
        ("[exempt]", "[other]", "exempt"),
        ("[[rates]]", "[[rates", "line 6"),
        ("2026-01-01T", "2026-02-30T", "valid_from"),
        ('"german"', '"any"', r"that of `\$.rates\[0\]`, too - at `\$.rates\[1\].id`"),
        ('"german"', '"exempt_error_codes"', r"is that of `\$.exempt`"),
    ],
)  # fmt: skip
def test_a_bad_card_is_named(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert old in _CARD
    with pytest.raises(ValueError, match=rf"given: .*{fault}"):
        _read(tmp_path, _CARD.replace(old, new, 1))


def test_a_card_has_rates(tmp_path: Path) -> None:
    text = _CARD[: _CARD.index("[[rates]]")]
    with pytest.raises(ValueError, match=r"a card has 1 to 200000 rates - at `\$.rates`"):
        _read(tmp_path, "rates = []\n" + text)


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_files, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match="given: is larger than"):
        _read(tmp_path, _CARD)
