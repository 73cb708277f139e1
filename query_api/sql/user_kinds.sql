-- user_kinds: what some users' messages were, what became of them and what they cost.
-- Grain: one row per user, direction, message type and country, unordered.
-- Parameters:
--   users                         whose
--   erased_before                 by user and source: the position before which all of the user's is
--                                 erased
--   start, end                    the range [start, end), UTC midnights in epoch seconds
-- Units: the columns of `user_cells`, in their order, at the range's start: sums, the longest
--   processing time, and parallel arrays of bins and of error codes with their messages.
SELECT
    user_id AS owner,
    {start:UInt32} AS time,
    direction = 'outbound' AS is_outbound,
    message_type = 'mms' AS is_mms,
    reinterpretAsUInt16(country_code) AS country,
    sum(cell.messages) AS messages,
    sum(cell.segments) AS segments,
    sum(cell.body_length) AS body_length,
    sum(cell.status_accepted) AS status_accepted,
    sum(cell.status_scheduled) AS status_scheduled,
    sum(cell.status_queued) AS status_queued,
    sum(cell.status_sending) AS status_sending,
    sum(cell.status_sent) AS status_sent,
    sum(cell.status_receiving) AS status_receiving,
    sum(cell.status_partially_delivered) AS status_partially_delivered,
    sum(cell.status_canceled) AS status_canceled,
    sum(cell.status_failed) AS status_failed,
    sum(cell.status_undelivered) AS status_undelivered,
    sum(cell.status_delivered) AS status_delivered,
    sum(cell.status_received) AS status_received,
    sum(cell.status_read) AS status_read,
    sum(cell.base_micros) AS base_micros,
    sum(cell.carrier_fee_micros) AS carrier_fee_micros,
    sum(cell.failed_fee_micros) AS failed_fee_micros,
    sum(cell.provisional_micros) AS provisional_micros,
    sum(cell.processing_count) AS processing_count,
    sum(cell.processing_sum_us) AS processing_sum_us,
    max(cell.processing_max_us) AS processing_max_us,
    sumMap(cell.processing_bins, cell.processing_counts).1 AS processing_bins,
    sumMap(cell.processing_bins, cell.processing_counts).2 AS processing_counts,
    sumMap(cell.error_codes, cell.error_messages).1 AS error_codes,
    sumMap(cell.error_codes, cell.error_messages).2 AS error_messages
FROM user_usage_1d AS cell FINAL
-- Columns of the sorting key only, so that FINAL sees all rows of a cell or none.
PREWHERE user_id IN {users:Array(UInt64)}
  AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
WHERE (empty({erased_before:Map(UInt64, Map(UInt32, UInt64))})
       OR version >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source])
GROUP BY owner, is_outbound, is_mms, country
-- One thread: several queries of an answer run at the same time, and each reads little.
SETTINGS max_threads = 1
