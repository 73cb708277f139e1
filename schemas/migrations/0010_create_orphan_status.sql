-- Receipts whose message is not there yet: they wait here until it comes, or for 72 h of log time.
-- ENGINE: ReplacingMergeTree(is_gone): a row is written when the receipt begins to wait, and once more
--   when it waits no longer; that is final, in whatever order the two arrive.
-- ORDER BY: read by source when a partition is assigned; position makes the key unique.
-- PARTITION BY month of log time, TTL: whole parts go once nothing in them can still be waiting, and
--   no replay of the log reaches back so far.
-- record_value: the event with the contract's fields only, never a body.
CREATE TABLE IF NOT EXISTS orphan_status
(
    source       UInt32,
    position     UInt64,
    message_sid  String,
    status       UInt8,
    error_code   Nullable(Int32),
    price_micros Nullable(Int64),
    at_ms        Int64,
    fee_exempt   UInt8,
    record_ms    Int64,
    record_key   String,
    record_value String,
    is_gone      UInt8
)
ENGINE = ReplacingMergeTree(is_gone)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(record_ms, 'UTC'))
ORDER BY (source, position)
TTL toDateTime(fromUnixTimestamp64Milli(record_ms, 'UTC')) + INTERVAL 90 DAY
