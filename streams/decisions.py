"""What workers wait for when the log is not as they left it; design section 1, rules 5 and 6.

`begin_next` begins a new epoch, for a topic that was made anew, became shorter or grows;
`accept_gap` goes on without records that are gone. Both write where each source begins since then
into `source_progress`, where workers look at their start, and before that into `log_decision`.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from datetime import UTC, datetime

from schemas.rows import LOG_DECISION, PROGRESS
from schemas.topics import USAGE
from schemas.units import partition_of, source_epoch
from streams.clickhouse import connect
from streams.epochs import Begin, Case, Left, after_gaps, begins, reasons
from streams.errors import RefusedError
from streams.group import LEAVES_WITHIN_S, wait_until_empty
from streams.settings import WorkerSettings
from streams.topic_changes import ChangingLog

_TIMEOUT_S = 30.0


class Operator:
    """Carries out an operator's commands on the back ends that the settings name."""

    def __init__(self, settings: WorkerSettings, patience_s: float = LEAVES_WITHIN_S) -> None:
        self._group = settings.consumer_group
        self._patience_s = patience_s
        self._log = ChangingLog(settings.bootstrap_servers)
        self._client = connect(settings.clickhouse_url, _TIMEOUT_S)

    def begin_next(
        self, partitions: int | None = None, *, with_lag: bool = False, reason: str = ""
    ) -> list[str]:
        """Begin a new epoch of the log, and let its topic grow to `partitions`; what was done.

        Nothing is, when the log is as it was left. Raises RefusedError while a worker runs, while
        records are gone unread, and, when the number of partitions changes, while records wait
        (unless `with_lag`): a message and its repetition, sent on either side of the change, may
        lie in different partitions, and are told to be one only if they are of different epochs.
        """
        case = self._case()
        if partitions is not None and partitions < case.partitions:
            raise RefusedError(f"{USAGE} has {case.partitions} partitions and cannot have fewer")
        if not reasons(case, partitions):
            return [f"nothing to do: {USAGE} is as the workers left it"]
        wait_until_empty(self._log.admin, self._group, self._patience_s)
        case = self._case()  # as the last worker left it
        why = reasons(case, partitions)
        if not case.is_anew:
            self._refuse_gaps(case)
            if max(case.partitions, partitions or 0) != case.partitions_before and not with_lag:
                self._refuse_lag(case)
        if partitions is not None and partitions > case.partitions:
            self._log.grow(partitions)
            case = self._case()
        self._log.forget_changelog(self._group)
        found = begins(case)
        self._write_down("epoch next", "; ".join(filter(None, [*why, reason])), found)
        self._let_begin(case, found, case.partitions)
        return [f"epoch {case.epoch + 1} of {USAGE} begins: {'; '.join(why)}", *map(str, found)]

    def accept_gap(self, partition: int | None = None, *, reason: str = "") -> list[str]:
        """Go on without the records that are gone unread, of one partition or of all; what was
        done. Raises RefusedError while a worker runs."""
        case = self._case()
        if case.is_anew:
            raise RefusedError(
                f"{USAGE} was made anew; begin a new log with `sms-analytics epoch next`"
            )
        if not after_gaps(case, partition):
            return ["nothing to do: no record is gone unread"]
        wait_until_empty(self._log.admin, self._group, self._patience_s)
        case = self._case()
        found = after_gaps(case, partition)
        self._write_down("epoch accept-gap", reason, found)
        self._let_begin(case, found, case.partitions_before)
        return list(map(str, found))

    def _case(self) -> Case:
        rows = [Left(*row) for row in self._client.query(_LEFT).result_rows]
        if not rows:
            raise RefusedError("no worker has folded anything yet, so there is nothing to go on")
        topic_id, count = self._log.identity()
        starts, ends = self._log.starts(range(count)), self._log.ends(range(count))
        left = {partition_of(row.source): row for row in rows}
        return Case(source_epoch(rows[0].source), left, topic_id, count, starts, ends)

    def _refuse_gaps(self, case: Case) -> None:
        for partition, gone in case.gaps.items():
            raise RefusedError(
                f"{gone} records of partition {partition} are gone unread; accept that first with"
                " `sms-analytics epoch accept-gap`"
            )

    def _refuse_lag(self, case: Case) -> None:
        for partition, row in case.left.items():
            waiting = self._log.unread(partition, row.next_offset, case.ends[partition])
            if not waiting:
                continue
            sentence = f"{waiting} records of partition {partition} are not folded yet"
            if case.partitions == case.partitions_before:
                raise RefusedError(f"{sentence}; let the workers finish, stop them, and try again")
            raise RefusedError(
                f"{sentence}, and {USAGE} has grown already; --with-lag goes on nevertheless, and a"
                " message that was sent again across the growth may then count twice"
            )

    def _write_down(self, command: str, reason: str, found: Iterable[Begin]) -> None:
        """The audit, written before anything is so."""
        now, name = datetime.now(UTC), getpass.getuser()
        rows = [[now, command, *begin, reason, name] for begin in found]
        columns = ["decided_at", "command", *Begin._fields, "reason", "decided_by"]
        self._client.insert(LOG_DECISION, rows, column_names=columns)

    def _let_begin(self, case: Case, found: Iterable[Begin], partitions: int) -> None:
        """Write the rows that workers begin from: all in one insert, so all or none."""
        as_of = min(row.as_of for row in case.left.values())
        rows = []
        for begin in found:
            end = max(begin.next_offset, case.ends[partition_of(begin.source)])
            rows.append([begin.source, begin.next_offset, end, as_of, case.topic_id, partitions])
        self._client.insert(PROGRESS, rows, column_names=Left._fields)


_LEFT = (
    "SELECT source, next_offset, end_offset, as_of, topic_id, partitions FROM source_progress FINAL"
    " WHERE bitShiftRight(source, 16) = (SELECT max(bitShiftRight(source, 16)) FROM"
    " source_progress) ORDER BY source"
)
