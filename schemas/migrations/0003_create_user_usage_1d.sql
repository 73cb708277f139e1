-- A user's rolling totals, one cell per UTC day, direction, type, country and source.
-- ENGINE: ReplacingMergeTree(version): absolute counters, version = position of the last event applied.
-- ORDER BY: every question is about one user and a range of time; source last, so that a total is a
--   short sum over sources. PARTITION BY month: whole parts expire, FINAL stays inside a partition.
-- TTL: rollups are kept as long as messages (a setting of the operator may change it).
-- Counters are signed because a receipt in a later log epoch writes a delta into its own source.
CREATE TABLE IF NOT EXISTS user_usage_1d
(
    user_id                     UInt64,
    bucket                      DateTime('UTC'),
    direction                   Enum8('inbound' = 1, 'outbound' = 2),
    message_type                Enum8('sms' = 1, 'mms' = 2),
    country_code                FixedString(2),
    source                      UInt32,
    version                     UInt64,
    messages                    Int64,
    segments                    Int64,
    body_length                 Int64,
    status_accepted             Int64,
    status_scheduled            Int64,
    status_queued               Int64,
    status_sending              Int64,
    status_sent                 Int64,
    status_receiving            Int64,
    status_partially_delivered  Int64,
    status_canceled             Int64,
    status_failed               Int64,
    status_undelivered          Int64,
    status_delivered            Int64,
    status_received             Int64,
    status_read                 Int64,
    base_micros                 Int64,
    carrier_fee_micros          Int64,
    failed_fee_micros           Int64,
    provisional_micros          Int64,
    processing_count            Int64,
    processing_sum_us           Int64,
    processing_max_us           Int64,
    latency_count               Int64,
    latency_sum_ms              Int64,
    latency_max_ms              Int64,
    ucs2_messages               Int64,
    gsm_saved_segments          Int64,
    trimmed_saved_segments      Int64,
    error_codes                 Array(Int32),
    error_messages              Array(Int64),
    processing_bins             Array(UInt16),
    processing_counts           Array(Int64),
    latency_bins                Array(UInt16),
    latency_counts              Array(Int64)
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(bucket)
ORDER BY (user_id, bucket, direction, message_type, country_code, source)
TTL bucket + INTERVAL 400 DAY
