-- user_cells: the cells of some users in a range of time, as they lie in the table.
-- Grain: one row per user, 15-minute bucket, direction, message type, country and source, unordered.
-- Parameters:
--   users                         whose
--   erased_before                 by user and source: the position before which all of the user's is
--                                 erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
-- Units: every column is a whole number, or an array of them. time = epoch seconds of the bucket;
--   is_outbound, is_mms: 0 or 1; country = the two letters' bytes, the first one the lower; counters and
--   arrays as in the table: *_micros in micro-USD, processing times in microseconds.
SELECT
    user_id AS owner,
    toUnixTimestamp(bucket) AS time,
    direction = 'outbound' AS is_outbound,
    message_type = 'mms' AS is_mms,
    reinterpretAsUInt16(country_code) AS country,
    messages, segments, body_length,
    status_accepted, status_scheduled, status_queued, status_sending, status_sent, status_receiving,
    status_partially_delivered, status_canceled, status_failed, status_undelivered, status_delivered,
    status_received, status_read,
    base_micros, carrier_fee_micros, failed_fee_micros, provisional_micros,
    processing_count, processing_sum_us, processing_max_us,
    processing_bins, processing_counts, error_codes, error_messages
FROM user_usage_15m FINAL
-- Columns of the sorting key only, so that FINAL sees all rows of a cell or none.
PREWHERE user_id IN {users:Array(UInt64)}
  AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
WHERE (empty({erased_before:Map(UInt64, Map(UInt32, UInt64))})
       OR version >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source])
-- One thread: several queries of an answer run at the same time, and each reads little.
SETTINGS max_threads = 1
