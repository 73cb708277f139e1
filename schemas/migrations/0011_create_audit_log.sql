-- Who asked for what through the API's admin routes and exports, and who was refused: written by the
-- API, only ever appended to, never with a phone number.
-- ENGINE: ReplacingMergeTree: an entry has its own id, so one that is written again, because the answer
--   to the first attempt was lost, is still one.
-- ORDER BY: read by time, newest first; the id makes the key unique. PARTITION BY month: an operator
--   may drop whole parts. No TTL: how long it has to be kept is the operator's decision.
CREATE TABLE IF NOT EXISTS audit_log
(
    at           DateTime64(3, 'UTC'),
    entry_id     String,
    request_id   String,
    actor_id     UInt64,
    roles        Array(LowCardinality(String)),
    method       LowCardinality(String),
    route        LowCardinality(String),
    subject_id   UInt64,
    decision     Enum8('allowed' = 1, 'refused' = 2),
    status       UInt16
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, entry_id)
