-- What operators decided when the log was not as the workers had left it (`epoch next`,
-- `epoch accept-gap`): where each source begins since then, and how many records before it were never
-- read. Written before the decision takes effect; the rows are the audit of it and are kept.
-- ENGINE: MergeTree: nothing is ever replaced. ORDER BY decided_at: read whole, in the order of time.
-- No PARTITION BY or TTL: a row is a human act.
CREATE TABLE IF NOT EXISTS log_decision
(
    decided_at  DateTime64(3, 'UTC'),
    command     LowCardinality(String),
    source      UInt32,
    next_offset UInt64,
    unread      UInt64,
    reason      String,
    decided_by  String
)
ENGINE = MergeTree
ORDER BY (decided_at, source)
