"""Every number of every route equals what separate code computes from the ledger alone.

Hundreds of seeded questions over one ledger that a real worker folded. What the OpenAPI document
says may be a number has to have been compared at least once, or stands in `NOT_OF_THE_LEDGER`.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from query_api.reports import COLUMNS
from tests.oracle import files, logs
from tests.oracle.answers import within
from tests.oracle.compare import differences
from tests.oracle.schema import numbers_of, numeric_fields
from tests.query_api.ledgered import BASE, PRIVACY_KEY, STEADY, UNSEEN, Asked, Ledgered, ledgered
from tests.query_api.wondering import ZONES, Wondering, parameters_of

pytestmark = pytest.mark.live

ME, SYSTEM = "/me/sms-analytics", "/admin/sms-analytics/system"
_REMOVED = ("messages", "receipts", "totals")
_RECEIPTS = (
    "GET {}/me/erasures erasures[].",
    "GET {}/admin/users/{{user_id}}/erasures erasures[].",
)
_RECEIPTS += ("DELETE {}/me/data ", "DELETE {}/admin/users/{{user_id}}/data ")
NOT_OF_THE_LEDGER: dict[str, str] = {
    f"{where.format(BASE)}removed.{name}": "counted in tests/e2e/test_erasure.py"
    for where in _RECEIPTS
    for name in _REMOVED
}
compared: set[str] = set()
"""Fields of the OpenAPI document whose numbers were compared by the tests before."""


@pytest.fixture(scope="module")
def world(
    kafka: str, clickhouse: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledgered]:
    with ledgered(kafka, clickhouse, tmp_path_factory.mktemp("ledgered")) as made:
        yield made


def check(route: str, asked: Any, actual: Any, expected: Any, method: str = "GET") -> None:
    """Fails with every number of an answer that is not the oracle's."""
    found = differences(actual, expected)
    assert not found, f"{route} {asked}:\n" + "\n".join(found[:20])
    compared.update(f"{method} {BASE}{route} {field}" for field in numbers_of(expected))


def _users(world: Ledgered, wondering: Wondering, count: int) -> Iterator[int]:
    """Users, the busy ones more often, and one whom nobody knows."""
    busy = sorted(world.oracle.users, key=lambda user: -len(world.oracle.of(user)))
    for _ in range(count):
        place = int(wondering.dice.random() ** 2 * (len(busy) + 1))
        yield busy[place] if place < len(busy) else UNSEEN


def test_a_users_usage(world: Ledgered) -> None:
    wondering = Wondering(1, world.now, world.as_of_ms)
    for user in _users(world, wondering, 70):
        asked, question = wondering.range()
        expected = world.oracle.user(user, question)
        check(ME, (user, asked), world.get(ME, user, **asked), expected)
        if wondering.dice.random() < 0.3:
            route = "/admin/users/{user_id}/sms-analytics"
            seen = world.get(route.format(user_id=user), admin=True, **asked)
            check(route, (user, asked), seen, expected)


def test_a_users_costs(world: Ledgered) -> None:
    wondering = Wondering(2, world.now, world.as_of_ms)
    codes: Counter[str] = Counter()
    for user in _users(world, wondering, 70):
        asked, question = wondering.range()
        expected = world.oracle.user_costs(user, question)
        answer = world.get("/me/sms-costs", user, **asked)
        check("/me/sms-costs", (user, asked), answer, expected)
        assert [one["message"] for one in answer["optimization"]] == answer["optimization_tips"]
        codes.update(one["code"] for one in answer["optimization"])
        if wondering.dice.random() < 0.3:
            route = "/admin/users/{user_id}/sms-costs"
            seen = world.get(route.format(user_id=user), admin=True, **asked)
            check(route, (user, asked), seen, expected)
    assert len(codes) == 6, codes


def test_the_systems_usage_by_pages_in_every_order(world: Ledgered) -> None:
    wondering = Wondering(3, world.now, world.as_of_ms)
    for number in range(20):
        asked, question = wondering.range()
        order = {
            "order_by": ("messages", "segments", "cost_usd", "success_rate")[number % 4],
            "order": wondering.dice.choice(("asc", "desc")),
        }
        answer = _all_pages(world, asked | order, wondering.dice.choice((9, 20, 500)))
        check(SYSTEM, asked | order, answer, world.oracle.system(question, **order))


def _all_pages(world: Ledgered, asked: dict[str, str], limit: int) -> Any:
    """The first page with the comparison of all."""
    answer = page = world.get(SYSTEM, admin=True, limit=limit, **asked)
    while page["next_cursor"]:
        assert len(page["user_comparison"]) == limit or page is answer
        page = world.get(SYSTEM, admin=True, limit=limit, cursor=page["next_cursor"], **asked)
        answer["user_comparison"] += page["user_comparison"]
    return answer


def test_the_system_right_now(world: Ledgered) -> None:
    for window in ("15m", "1h", "6h", "12h", "24h"):
        for zone in ZONES:
            answer = world.get("/admin/sms-performance", admin=True, window=window, timezone=zone)
            expected = world.oracle.performance(window, zone, world.now)
            check("/admin/sms-performance", (window, zone), answer, expected)
    lag = {"lag_events": 0, "lag_seconds": world.now - world.as_of_ms / 1000}
    answer["system_health"]["components"] = [
        part for part in answer["system_health"]["components"] if part["name"] == "lag"
    ]
    check("/admin/sms-performance", "", answer, {"system_health": {"components": [lag]}})


def test_a_log_by_filters_and_pages(world: Ledgered) -> None:
    wondering = Wondering(4, world.now, world.as_of_ms)
    found = 0
    for user in _users(world, wondering, 80):
        own = world.oracle.of(user)
        statuses = sorted({message.status for message in own} | {"read"})
        countries = sorted({message.country for message in own} | {"NZ"})
        codes = sorted({message.error_code for message in own if message.error_code} | {1})
        wanted = wondering.filter(statuses, countries, codes)
        limit = wondering.dice.choice((7, 100, 1000))
        answer = _pages_of_a_log(world, user, limit, parameters_of(wanted), at_most=8)
        expected = logs.log(own, wanted, PRIVACY_KEY)
        if answer["next_cursor"]:
            expected = expected[: len(answer["messages"])]
        check("/me/messages", (user, wanted), answer, {"user_id": user, "messages": expected})
        found += len(expected)
    assert found > 3_000


def _pages_of_a_log(
    world: Ledgered, user: int, limit: int, asked: dict[str, Any], at_most: int
) -> Any:
    answer = page = world.get("/me/messages", user, limit=limit, **asked)
    for _ in range(at_most):
        if not page["next_cursor"]:
            break
        assert len(page["messages"]) == limit or page is answer
        asked = asked | {"cursor": page["next_cursor"]}
        page = world.get("/me/messages", user, limit=limit, **asked)
        answer["messages"] += page["messages"]
    return answer | {"next_cursor": page["next_cursor"]}


def test_single_messages_with_their_timelines(world: Ledgered) -> None:
    wondering = Wondering(5, world.now, world.as_of_ms)
    everything = [message for user in world.oracle.users for message in world.oracle.of(user)]
    told = [message for message in everything if len(message.history) > 2]
    for message in wondering.dice.sample(everything, 60) + wondering.dice.sample(told, 60):
        answer = world.get(f"/me/messages/{message.sid}", message.user_id)
        expected = logs.detail(message, PRIVACY_KEY)
        check("/me/messages/{message_sid}", message.sid, answer, expected)
        stranger = 1 + message.user_id % 40
        assert world.ask(f"/me/messages/{message.sid}", stranger).status_code == 404


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("detail", ["daily", "messages"])
def test_reports(detail: str, form: str, world: Ledgered) -> None:
    wondering = Wondering(6, world.now, world.as_of_ms)
    for number, user in enumerate(_users(world, wondering, 18)):
        is_system = number % 6 == 0
        asked, question = wondering.range()
        own = within(world.oracle.of(None if is_system else user), question.start, question.end)
        if detail == "daily":
            expected = files.daily_rows(own, question.timezone)
        else:
            expected = files.message_rows(own, PRIVACY_KEY, with_user=is_system)
        path = "/admin/sms-usage-report" if is_system else "/me/sms-usage-report"
        asked |= {"detail": detail, "format": form}
        answer = world.ask(path, user, admin=is_system, params=asked)
        _check_file(path, asked, answer.content, form, expected)
        kind = "daily_report" if detail == "daily" else "message_report"
        columns = COLUMNS[f"{'system' if is_system else 'user'}_{kind}"]
        assert not expected or set(columns) == set(expected[0])


@pytest.mark.parametrize("form", ["json", "csv"])
def test_the_cost_export(form: str, world: Ledgered) -> None:
    wondering = Wondering(7, world.now, world.as_of_ms)
    for _ in range(6):
        asked, start, end = wondering.days()
        own = within(world.oracle.of(None), start, end)
        expected = files.cost_rows(own, "sms-analytics", "Twilio")
        answer = world.ask("/admin/cost-export", admin=True, params=asked | {"format": form})
        _check_file("/admin/cost-export", asked, answer.content, form, expected)
        assert not expected or set(COLUMNS["cost_export"]) == set(expected[0])


def _check_file(path: str, asked: Any, content: bytes, form: str, expected: list[Any]) -> None:
    if form == "json":
        check(path, asked, json.loads(content), {"rows": expected})
        return
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert len(rows) == len(expected), asked
    typed = [
        {name: _typed(text, wanted[name]) for name, text in row.items()}
        for row, wanted in zip(rows, expected, strict=True)
    ]
    check(path, asked, {"rows": typed}, {"rows": expected})


def _typed(text: str, like: Any) -> Any:
    """A cell of a table as the value that it stands for."""
    if like is None:
        return text or None
    return float(text) if isinstance(like, int | float) and not math.isnan(_number(text)) else text


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def test_everything_that_is_kept_about_a_user(world: Ledgered) -> None:
    wondering = Wondering(8, world.now, world.as_of_ms)
    for user in _users(world, wondering, 12):
        own = world.oracle.of(user)
        answer = world.get("/me/data-export", user)
        expected = {
            "user_id": user,
            "rows": files.message_rows(own, PRIVACY_KEY),
            "phone_hashes": logs.own_numbers(own, PRIVACY_KEY),
        }
        check("/me/data-export", user, answer, expected)


def test_users_side_by_side_and_searched(world: Ledgered) -> None:
    expected = [
        user | {"analytics_consent": user["user_id"] != STEADY}
        for user in logs.users(world.oracle.of(None), PRIVACY_KEY)
    ]
    for limit in (7, 500):
        found, cursor = [], {}
        while cursor is not None:
            page = world.get("/admin/users", admin=True, limit=limit, **cursor)
            found += page["users"]
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        check("/admin/users", limit, {"users": found}, {"users": expected})
    for user in expected[:5]:
        answer = world.get("/admin/users", admin=True, user_id=user["user_id"])
        check("/admin/users", user["user_id"], answer, {"users": [user]})
    by_number = {m.own_number: m.user_id for m in world.oracle.of(None) if m.own_number}
    for number, user_id in list(by_number.items())[:5]:
        answer = world.get("/admin/users", admin=True, phone_number=number)
        own = [user for user in expected if user["user_id"] == user_id]
        check("/admin/users", number, answer, {"users": own})


def test_consents_are_those_that_were_decided(world: Ledgered) -> None:
    for user_id, analytics in ((3, False), (5, True), (1, True)):
        expected = {"user_id": user_id, "analytics": analytics}
        check("/me/consent", user_id, world.get("/me/consent", user_id), expected)
    answer = world.ask("/me/consent", 1, method="PUT", json={"analytics": True})
    check("/me/consent", 1, answer.json(), {"user_id": 1, "analytics": True}, "PUT")


def test_receipts_of_erasures(world: Ledgered) -> None:
    days = {"usage_topic_retention_days": 7, "dead_letter_retention_days": 7}
    admins = "/admin/users/{user_id}"
    for route, user, by in (("/me/data", UNSEEN, UNSEEN), (f"{admins}/data", UNSEEN + 1, 1)):
        expected = {"user_id": user, **days}
        answer = world.ask(route.format(user_id=user), by, admin=by == 1, method="DELETE")
        assert answer.status_code == 202
        check(route, user, answer.json(), expected, "DELETE")
        receipts = {"user_id": user, "erasures": [expected]}
        check("/me/erasures", user, world.get("/me/erasures", user), receipts)
        answer = world.get(f"{admins}/erasures".format(user_id=user), admin=True)
        check(f"{admins}/erasures", user, answer, receipts)


def test_the_audit_log_is_what_was_asked(world: Ledgered) -> None:
    for path in (SYSTEM, "/admin/users/3/sms-costs", "/me/data-export"):
        world.ask(path, 700, admin=True)
        world.ask(path, 701)
    expected = Counter(filter(None, map(_audited, world.asked)))
    # Refusals are written a moment later.
    time.sleep(0.5)
    found: Counter[tuple[Any, ...]] = Counter()
    page = world.get("/admin/audit", admin=True, limit=1000)
    while True:
        found.update(_entry(entry) for entry in page["entries"])
        if not page["next_cursor"]:
            break
        page = world.get("/admin/audit", admin=True, limit=1000, cursor=page["next_cursor"])
    audit = f"{BASE}/admin/audit"
    found = Counter({entry: count for entry, count in found.items() if entry[2] != audit})
    assert found == expected
    names = ("actor_id", "subject_id", "status")
    compared.update(f"GET {audit} entries[].{name}" for name in names)


def _audited(asked: Asked) -> tuple[Any, ...] | None:
    """The entry of a request, None where none is made of it."""
    actor, roles, method, path, status = asked
    is_admins, is_refused = path.startswith("/admin/"), status in (401, 403, 429)
    is_export = path in ("/me/sms-usage-report", "/me/data-export")
    if not (is_admins or is_refused or is_export or method != "GET") or path == "/admin/audit":
        return None
    user = re.search(r"/users/(\d+)/", path)
    subject = (int(user[1]) if user else None) if is_admins else actor
    route = BASE + re.sub(r"(?<=/users/)\d+", "{user_id}", path)
    decision = "refused" if is_refused else "allowed"
    return (actor, roles, route, method, subject, decision, status)


def _entry(entry: dict[str, Any]) -> tuple[Any, ...]:
    names = ("route", "method", "subject_id", "decision", "status")
    return (entry["actor_id"], tuple(entry["roles"]), *(entry[name] for name in names))


def test_no_number_of_any_answer_is_left_out(world: Ledgered) -> None:
    document = world.client.get("/openapi.json").json()
    numbers = numeric_fields(document)
    assert len(numbers) > 200
    left_out = numbers - compared - NOT_OF_THE_LEDGER.keys()
    assert not left_out, "compared with nothing, and without a reason:\n" + "\n".join(
        sorted(left_out)
    )
    needless = NOT_OF_THE_LEDGER.keys() - numbers | NOT_OF_THE_LEDGER.keys() & compared
    assert not needless, needless
