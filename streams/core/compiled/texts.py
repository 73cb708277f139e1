"""Numbers and instants in ASCII, read where they stand; each says −1 for what it does not read."""

from __future__ import annotations

from typing import Any

from streams.core.compiled.compiling import compiled

_MINUS, _DOT, _COLON, _ZERO, _NINE, _T, _Z, _PLUS = (ord(c) for c in "-.:09TZ+")
_NONE = -(1 << 40)


@compiled
def integer_end(content: Any, at: int, end: int) -> int:
    """Where an integer ends; −1 if it is none, or not in its shortest form."""
    is_negative = content[at] == _MINUS
    if is_negative:
        at += 1
    first = at
    while at < end and _ZERO <= content[at] <= _NINE:
        at += 1
    digits = at - first
    if digits == 0 or (content[first] == _ZERO and (digits > 1 or is_negative)):
        return -1
    return at


@compiled
def decimal_end(content: Any, at: int, end: int) -> int:
    """Where a decimal without sign and exponent ends; −1 if it is none."""
    if content[at] == _MINUS:
        return -1
    at = integer_end(content, at, end)
    if 0 <= at < end and content[at] == _DOT:
        at += 1
        first = at
        while at < end and _ZERO <= content[at] <= _NINE:
            at += 1
        if at == first:
            return -1
    return at


@compiled
def integer(content: Any, first: int, end: int) -> int:
    """The value of an integer of at most 18 digits."""
    is_negative = content[first] == _MINUS
    value = 0
    for at in range(first + is_negative, end):
        value = value * 10 + int(content[at]) - _ZERO
    return -value if is_negative else value


@compiled
def digits_of(content: Any, first: int, end: int) -> tuple[int, int]:
    """The digits of a decimal without sign as one integer, and how many stand behind the point."""
    value = decimals = 0
    is_fraction = False
    for at in range(first, end):
        if content[at] == _DOT:
            is_fraction = True
            continue
        value = value * 10 + int(content[at]) - _ZERO
        decimals += is_fraction
    return value, decimals


@compiled
def rounded(value: int, unit: int) -> int:
    """How many units a value is, half-even."""
    whole, rest = value // unit, value % unit
    return whole + (2 * rest > unit or (2 * rest == unit and whole & 1))


@compiled
def thousandths(content: Any, first: int, end: int, most: int) -> int:
    """A decimal times 1000, rounded half-even; −1 if it is above `most` or has over 15 digits.

    So many digits are exact in a double: this is what a double's decimal digits give.
    """
    value, decimals = digits_of(content, first, end)
    if end - first - (decimals > 0) > 15:
        return -1
    unit = 1
    for _ in range(decimals):
        unit *= 10
    if value // unit > most or (value // unit == most and value % unit):
        return -1
    if decimals <= 3:
        for _ in range(3 - decimals):
            value *= 10
        return value
    return rounded(value, unit // 1000)


@compiled
def is_phone_number(content: Any, first: int, end: int) -> bool:
    """Whether a text is an E.164 number."""
    if not 3 <= end - first <= 16 or content[first] != _PLUS or content[first + 1] == _ZERO:
        return False
    for at in range(first + 1, end):
        if content[at] < _ZERO or content[at] > _NINE:
            return False
    return True


@compiled
def is_price(content: Any, first: int, end: int) -> bool:
    """Whether a text is a decimal of at most six digits before the point and twelve behind it.

    That is not every price: `price_micros` takes those, and a million more.
    """
    at = first + (content[first] == _MINUS)
    digits = 0
    while at < end and _ZERO <= content[at] <= _NINE:
        at += 1
        digits += 1
    if not 1 <= digits <= 6:
        return False
    if at < end:
        if content[at] != _DOT or not 1 <= end - at - 1 <= 12:
            return False
        for place in range(at + 1, end):
            if content[place] < _ZERO or content[place] > _NINE:
                return False
    return True


@compiled
def price_micros(content: Any, starts: Any, sizes: Any, micros: Any) -> None:
    """Prices times a million, without their sign, rounded half-even; −1 where there is none."""
    for place in range(len(starts)):
        micros[place] = -1
        if sizes[place] > 0:
            first = starts[place]
            end = first + sizes[place]
            micros[place] = millionths(content, first + (content[first] == _MINUS), end)


@compiled
def millionths(content: Any, first: int, end: int) -> int:
    """A decimal of at most 18 digits times a million, rounded half-even."""
    value, decimals = digits_of(content, first, end)
    for _ in range(6 - decimals):
        value *= 10
    unit = 1
    for _ in range(decimals - 6):
        unit *= 10
    return rounded(value, unit)


@compiled
def _two(content: Any, at: int, most: int) -> int:
    """Two digits as a number; very negative if they are none, or above `most`."""
    tens, ones = int(content[at]) - _ZERO, int(content[at + 1]) - _ZERO
    if tens < 0 or tens > 9 or ones < 0 or ones > 9 or tens * 10 + ones > most:
        return _NONE
    return tens * 10 + ones


@compiled
def _days_in(month: int, is_leap: bool) -> int:
    if month == 2:
        return 28 + is_leap
    return 30 + ((month + (month > 7)) & 1)


@compiled
def instant_ms(content: Any, at: int, end: int) -> int:
    """RFC 3339 of the years 1970 to 2399, with `T` and `Z` or an offset, truncated to ms.

    Days from the civil date: Howard Hinnant, https://howardhinnant.github.io/date_algorithms.html
    """
    if end - at < 20 or end - at > 40:
        return -1
    if content[at + 4] != _MINUS or content[at + 7] != _MINUS or content[at + 10] != _T:
        return -1
    if content[at + 13] != _COLON or content[at + 16] != _COLON:
        return -1
    year = _two(content, at, 23) * 100 + _two(content, at + 2, 99)
    month, day = _two(content, at + 5, 12), _two(content, at + 8, 31)
    hour, minute = _two(content, at + 11, 23), _two(content, at + 14, 59)
    second = _two(content, at + 17, 59)
    if year < 1970 or month < 1 or day < 1 or hour < 0 or minute < 0 or second < 0:
        return -1
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _days_in(month, is_leap):
        return -1
    shifted = year - (month <= 2)
    era = shifted // 400
    year_of_era = shifted - era * 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    days = era * 146097 + day_of_era - 719468
    instant = ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000
    at += 19
    if content[at] == _DOT:
        at += 1
        first, scale = at, 100
        while at < end and _ZERO <= content[at] <= _NINE:
            instant += (int(content[at]) - _ZERO) * scale
            scale //= 10
            at += 1
        if at == first:
            return -1
    if at == end - 1 and content[at] == _Z:
        return instant
    if at != end - 6 or content[at + 3] != _COLON:
        return -1
    ahead = _two(content, at + 1, 23) * 60 + _two(content, at + 4, 59)
    if ahead < 0 or (content[at] != _MINUS and content[at] != _PLUS):
        return -1
    return instant + (ahead if content[at] == _MINUS else -ahead) * 60_000
