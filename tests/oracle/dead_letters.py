"""What must lie in the dead-letter topic: exactly the rejected records, bytes unchanged."""

from __future__ import annotations

from collections.abc import Iterable

from tests.oracle.ledger import Sent

Letter = tuple[bytes | None, bytes | None]


def expected(ledger: Iterable[Sent], receipts_are_orphans: bool = False) -> set[Letter]:
    """The (key, value) pairs of all poison, a set because identity is the source position.

    `receipts_are_orphans`: status events are rejected too (`orphan_status`), as by a worker that
    does not fold them.
    """
    rejected = {"poison", "status"} if receipts_are_orphans else {"poison"}
    return {(sent.key, sent.value) for sent in ledger if sent.kind in rejected}


def expected_reasons(ledger: Iterable[Sent]) -> dict[Letter, str]:
    """The reason of each poison record; the same bytes always have the same one."""
    return {
        (sent.key, sent.value): sent.reason
        for sent in ledger
        if sent.kind == "poison" and sent.reason is not None
    }
