"""What counts as an example, and what an answer may differ in from what is shown of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from query_api.reference import compact, shortened
from tests.docs.documents import examples, sums, unlike

_PAGE = """\
```sh
make demo
```

```sh
curl -s here
```

```json
{"a": 1}
```

```sh
curl -s there
```

Words between.

```text
not of it
```

`(1 + 2) / 4 = 0.75` and `1,500 - 1 = 1,499`, but not `1 = 1` or `a = 2`.
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(_PAGE, encoding="utf-8")
    return path


def test_examples_are_commands_with_what_stands_right_behind(page: Path) -> None:
    first, second = examples(page)
    assert (first.place, first.commands) == ("page.md:5", "curl -s here\n")
    assert (first.kind, first.shown) == ("json", '{"a": 1}\n')
    assert (second.place, second.kind, second.shown) == ("page.md:13", "", "")


def test_sums(page: Path) -> None:
    assert [(found, said) for _, found, said in sums(page)] == [(0.75, 0.75), (1499, 1499)]


@pytest.mark.parametrize(
    ("actual", "shown", "is_alike"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, {"a": "…", "…": "…"}, True),
        ([1, 2], [1], False),
        ([1, 2], [1, "…"], True),
        ([1], [1, 2, "…"], False),
        ([{"a": 1}], [{"a": 2}], False),
        ({"request_id": 1}, {"request_id": 2}, True),
        ([], {}, False),
        (1, True, False),
    ],
)
def test_what_is_alike(actual: Any, shown: Any, is_alike: bool) -> None:
    assert (unlike(actual, shown) == []) is is_alike


def test_long_lists_of_objects_are_shortened() -> None:
    points = [{"n": number} for number in range(5)]
    assert shortened({"points": points, "hours": [1, 2, 3, 4]}) == {
        "points": [{"n": 0}, {"n": 1}, "…"],
        "hours": [1, 2, 3, 4],
    }


def test_json_is_compact_and_stays_the_same() -> None:
    value = {"a": list(range(60)), "b": {"c": None, "d": "x" * 80}, "e": []}
    text = compact(value)
    assert json.loads(text) == value
    assert text.count("\n") < 70
    assert compact({"a": 1}) == '{"a": 1}'
