"""From a router's events to exact answers: every number of both routes against the oracle.

100,000 simulated events with duplicates, poison and disorder go through the real Kafka and the
real ClickHouse engine, once undisturbed and once with the whole of `up` killed three times. Then
every user's answer and the system's, in zones with odd offsets and across a change of daylight
saving time, must equal what separate code computes from the ledger.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import clickhouse_connect
import pytest

from deploy.data_dir import DataDirectory
from schemas.settings import clickhouse_arguments
from streams.dlq import letters
from tests.e2e.running import Up
from tests.oracle import dead_letters, files, ledger, logs, messages, periods, rates
from tests.oracle.answers import Oracle, within
from tests.oracle.compare import differences

pytestmark = pytest.mark.live

EVENTS, USERS, DAYS = 100_000, 60, 380
SHARES = ["--duplicates", "0.05", "--poison", "0.01", "--receipts", "0.25", "--shuffle", "5000"]
PARTS_IF_KILLED = 10
USERS_A_PAGE = "25"
QUIET_WITHIN_S = 180


class Run:
    """A platform that has folded everything a ledger says was sent."""

    def __init__(self, up: Up, sent: list[ledger.Sent], kills: int) -> None:
        self.up = up
        self.kills = kills
        self.sent = sent
        folded = messages.fold(sent, rates.shipped())
        self.privacy_key = DataDirectory(up.directory).privacy_key()
        self.oracle = Oracle(folded, self.privacy_key)


@pytest.fixture(scope="module", params=[0, 3], ids=["undisturbed", "killed three times"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Simulate, with `param` SIGKILLs of everything at random moments, and wait for the end."""
    directory = tmp_path_factory.mktemp("e2e")
    up, book = Up(directory / "data"), directory / "ledger.ndjson"
    up.start()
    try:
        yield _simulated(up, book, request.param)
    finally:
        up.stop()


def _simulated(up: Up, book: Path, kills: int) -> Run:
    """Send the same kind of traffic in parts, with `kills` SIGKILLs of everything meanwhile."""
    up.wait_until_ready()
    shares = [*SHARES, "--events", str(EVENTS), "--days", str(DAYS), "--users", str(USERS)]
    prepared = up.run("simulate", *shares, "--seed", str(20 + kills), "--prepare", str(book))
    assert prepared.returncode == 0, prepared.stderr
    with ThreadPoolExecutor(1) as router:
        sending = router.submit(_send_in_parts, up, book, PARTS_IF_KILLED if kills else 1)
        moments = random.Random(7)
        for _ in range(kills):
            time.sleep(moments.uniform(2, 9))
            assert not sending.done()
            up.kill()
            up.start()
        sending.result(300)
    up.wait_until_ready()
    sent = list(ledger.read(book))
    records = sum(entry.kind != "mapping" for entry in sent)
    assert records >= EVENTS
    _wait_until_folded(up, records)
    return Run(up, sent, kills)


def _send_in_parts(up: Up, book: Path, parts: int) -> None:
    lines = book.read_bytes().splitlines(keepends=True)
    size = -(-len(lines) // parts)
    for number in range(parts):
        part = book.with_name(f"part-{number}.ndjson")
        part.write_bytes(b"".join(lines[number * size : (number + 1) * size]))
        assert up.simulate("--replay", str(part)).wait(200) == 0


def test_every_number_of_every_user_equals_the_oracle(run: Run) -> None:
    tokens = {user: run.up.token(user) for user in run.oracle.users[:1]}
    admin = run.up.token(1, "--admin")
    found = []
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(_user_differences, run, admin, user, question)
            for number, user in enumerate(run.oracle.users)
            # After kills the same cells are asked for: each user one question, by turns.
            for question in (_by_turns(number) if run.kills else _questions())
        ]
        for answer in asked:
            found += answer.result()
    assert found == []
    mine = run.up.get("/me/sms-analytics", tokens[run.oracle.users[0]])
    assert mine["user_id"] == run.oracle.users[0]


def test_every_number_of_the_system_equals_the_oracle(run: Run) -> None:
    admin = run.up.token(1, "--admin")
    found = []
    for question in _questions():
        answer = _whole_system(run.up, admin, question)
        expected = run.oracle.system(_asked(question, answer))
        found += [f"{question}: {line}" for line in differences(answer, expected)]
    assert found == []


def test_reports_and_a_log_equal_the_oracle(run: Run) -> None:
    admin, user = run.up.token(1, "--admin"), run.oracle.users[0]
    found = []
    for question in _questions():
        path = f"/admin/sms-usage-report?{urlencode({**question, 'format': 'json'})}"
        answer = run.up.get(path, admin)
        asked = _asked(question, answer)
        own = within(run.oracle.of(None), asked.start, asked.end)
        expected = files.daily_rows(own, asked.timezone)
        found += _row_differences(answer["rows"], expected, f"report {question}")
    expected = logs.log(run.oracle.of(user), logs.Filter(), run.privacy_key)
    found += _row_differences(_whole_log(run.up, run.up.token(user)), expected, "log")
    assert found == []


def _row_differences(actual: list[Any], expected: list[Any], name: str) -> list[str]:
    if len(actual) != len(expected):
        return [f"{name}: {len(actual)} rows, not {len(expected)}"]
    pairs = enumerate(zip(actual, expected, strict=True))
    return [line for at, (a, e) in pairs for line in differences(a, e, f"{name}[{at}]")]


def _whole_log(up: Up, token: str) -> list[Any]:
    page = up.get("/me/messages?limit=1000", token)
    found: list[Any] = page["messages"]
    while page["next_cursor"]:
        cursor = urlencode({"cursor": page["next_cursor"]})
        page = up.get(f"/me/messages?limit=1000&{cursor}", token)
        found += page["messages"]
    return found


def test_dead_letters_are_exactly_the_poison(run: Run) -> None:
    bootstrap = run.up.runtime()["kafka_url"].removeprefix("kafka://")
    found = list(letters(bootstrap))
    assert {(letter.key, letter.value) for letter in found} == dead_letters.expected(run.sent)
    reasons = dead_letters.expected_reasons(run.sent)
    assert {(letter.key, letter.value): letter.reason for letter in found} == reasons


def test_reconcile_sees_that_rollups_are_the_usage_log(run: Run) -> None:
    reconciled = run.up.run("reconcile")
    assert reconciled.returncode == 0, reconciled.stdout + reconciled.stderr


def test_reconcile_finds_a_row_that_was_tampered_with(run: Run) -> None:
    url = run.up.runtime()["clickhouse_url"]
    with clickhouse_connect.get_client(**clickhouse_arguments(url)) as client:
        row = "SELECT * REPLACE (segments + 1 AS segments) FROM user_usage_1d FINAL LIMIT 1"
        client.command(f"INSERT INTO user_usage_1d {row}")
    reconciled = run.up.run("reconcile")
    assert reconciled.returncode == 1
    assert "user_usage_1d" in reconciled.stdout
    assert "segments" in reconciled.stdout


def _wait_until_folded(up: Up, records: int) -> None:
    url = up.runtime()["clickhouse_url"]
    deadline = time.monotonic() + QUIET_WITHIN_S
    with clickhouse_connect.get_client(**clickhouse_arguments(url)) as client:
        while time.monotonic() < deadline:
            query = "SELECT sum(next_offset), sum(end_offset) FROM source_progress FINAL"
            ((durable, end),) = client.query(query).result_rows
            if durable == end and durable >= records:
                return
            time.sleep(0.5)
    raise AssertionError(f"{durable} of {end} records folded, {records} sent")


def _by_turns(number: int) -> list[dict[str, str]]:
    questions = _questions()
    return [questions[number % len(questions)]]


def _questions() -> list[dict[str, str]]:
    change = _change_of_clocks("America/St_Johns")
    around = {
        "start": _text(change - timedelta(hours=30)),
        "end": _text(change + timedelta(hours=20)),
    }
    day = {"start": _text(change - timedelta(hours=7)), "end": _text(change + timedelta(hours=9))}
    return [
        {"time_range": "30d", "timezone": "UTC"},
        {"time_range": "90d", "timezone": "Asia/Kathmandu"},
        {"time_range": "1y", "timezone": "America/St_Johns"},
        {"time_range": "7d", "timezone": "Asia/Kathmandu"},
        {**around, "timezone": "America/St_Johns"},
        {**day, "timezone": "America/St_Johns"},
    ]


def _change_of_clocks(timezone: str) -> datetime:
    """The last whole hour before which a zone's offset changed, at least two days ago."""
    zone = ZoneInfo(timezone)
    moment = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
    while (
        moment.astimezone(zone).utcoffset()
        == (moment - timedelta(hours=1)).astimezone(zone).utcoffset()
    ):
        moment -= timedelta(hours=1)
    return moment


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _asked(question: dict[str, str], answer: Any) -> periods.Question:
    """The question as the oracle takes it: asked when the API answered."""
    now = _seconds(answer["generated_at"])
    as_of_ms = round(_seconds(answer["data_as_of"]) * 1000)
    if "start" in question:
        start, end = int(_seconds(question["start"])), int(_seconds(question["end"]))
        return periods.between(start, end, question["timezone"], now, as_of_ms)
    return periods.named(question["time_range"], question["timezone"], now, as_of_ms)


def _user_differences(run: Run, admin: str, user: int, question: dict[str, str]) -> list[str]:
    path, asked = f"/admin/users/{user}", urlencode(question)
    usage = run.up.get(f"{path}/sms-analytics?{asked}", admin)
    costs = run.up.get(f"{path}/sms-costs?{asked}", admin)
    found = [
        *differences(usage, run.oracle.user(user, _asked(question, usage))),
        *differences(costs, run.oracle.user_costs(user, _asked(question, costs))),
    ]
    return [f"user {user} {question}: {line}" for line in found]


def _whole_system(up: Up, admin: str, question: dict[str, str]) -> Any:
    """The system's answer with all pages of the comparison of users."""
    path = "/admin/sms-analytics/system?"
    page_of = {**question, "limit": USERS_A_PAGE}
    answer = up.get(path + urlencode(page_of), admin)
    cursor = answer["next_cursor"]
    while cursor:
        page = up.get(path + urlencode({**page_of, "cursor": cursor}), admin)
        answer["user_comparison"] += page["user_comparison"]
        cursor = page["next_cursor"]
    return answer
