-- The whole system's totals by time, one cell per 15 minutes, direction and source: what points, history
-- and projection are made of. Summing them from cells by type and country took most of an answer about
-- 90 days (measured with a million messages a day of 20 countries: 2.4 million cells, 250 to 390 ms of
-- CPU).
-- ENGINE: ReplacingMergeTree(version): absolute counters, version = position of the last event applied.
-- ORDER BY: questions are about a range of time. PARTITION BY month: whole parts expire.
-- TTL: rollups are kept as long as messages (a setting of the operator may change it).
-- The settings: as those of system_usage_15m (migration 33).
CREATE TABLE IF NOT EXISTS system_totals_15m
(
    bucket                      DateTime('UTC'),
    direction                   Enum8('inbound' = 1, 'outbound' = 2),
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
ORDER BY (bucket, direction, source)
TTL bucket + INTERVAL 400 DAY
SETTINGS min_age_to_force_merge_seconds = 86400, min_age_to_force_merge_on_partition_only = 1
