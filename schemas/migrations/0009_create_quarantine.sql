-- Records that an operator has set aside (`dlq quarantine`): the worker sends them to the dead-letter
-- topic unread. The rows are the audit of it and are kept.
-- ENGINE: ReplacingMergeTree: asking twice is asking once. ORDER BY: looked up by source at assignment.
-- No PARTITION BY or TTL: a row is a human act.
CREATE TABLE IF NOT EXISTS quarantine
(
    source       UInt32,
    offset       UInt64,
    requested_by String,
    reason       String,
    requested_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(requested_at)
ORDER BY (source, offset)
