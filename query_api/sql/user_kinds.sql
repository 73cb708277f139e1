-- user_kinds: what some users' messages were, what became of them and what they cost.
-- Grain: one row per user, direction, message type, country and number that is not 0, unordered. All are
--   rows of one query, since one more costs ClickHouse more than to read them.
-- Parameters:
--   users                         whose
--   erased_before                 by user and source: the position before which all of the user's is
--                                 erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   days_start, days_end          the whole UTC days inside the range, answered by the daily table;
--                                 both equal end where there are none
-- Units: every column is Int64, so that an answer is one array; owner, is_outbound, is_mms, country as in
--   `user_cells`. what = 0: number of messages in the processing_bin `key`; 1: with the error code `key`;
--   2: the sum of the counter whose place among those of `user_cells` is `key`; 3: the longest
--   processing time (the last one of these).
SELECT
    toInt64(user_id) AS owner,
    toInt64(direction = 'outbound') AS is_outbound,
    toInt64(message_type = 'mms') AS is_mms,
    toInt64(reinterpretAsUInt16(country_code)) AS country,
    toInt64(multiIf(place < 23, 2, place = 23, 3, place <= 23 + bins, 0, 1)) AS what,
    toInt64(key) AS key,
    if(what = 3, max(part_number), sum(part_number)) AS number
FROM
(
    SELECT
        user_id, direction, message_type, country_code, length(processing_bins) AS bins,
        arrayConcat(range(23), processing_bins, error_codes) AS keys,
        arrayConcat([
            messages, segments, body_length, status_accepted, status_scheduled, status_queued,
            status_sending, status_sent, status_receiving, status_partially_delivered,
            status_canceled, status_failed, status_undelivered, status_delivered, status_received,
            status_read, base_micros, carrier_fee_micros, failed_fee_micros, provisional_micros,
            processing_count, processing_sum_us, processing_max_us
        ], processing_counts, error_messages) AS numbers
    FROM user_usage_1d FINAL
    WHERE user_id IN {users:Array(UInt64)}
      AND version >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source]
      AND bucket >= toDateTime({days_start:UInt32}, 'UTC')
      AND bucket < toDateTime({days_end:UInt32}, 'UTC')
    UNION ALL
    SELECT
        user_id, direction, message_type, country_code, length(processing_bins) AS bins,
        arrayConcat(range(23), processing_bins, error_codes) AS keys,
        arrayConcat([
            messages, segments, body_length, status_accepted, status_scheduled, status_queued,
            status_sending, status_sent, status_receiving, status_partially_delivered,
            status_canceled, status_failed, status_undelivered, status_delivered, status_received,
            status_read, base_micros, carrier_fee_micros, failed_fee_micros, provisional_micros,
            processing_count, processing_sum_us, processing_max_us
        ], processing_counts, error_messages) AS numbers
    FROM user_usage_15m FINAL
    WHERE user_id IN {users:Array(UInt64)}
      AND version >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source]
      AND ((bucket >= toDateTime({start:UInt32}, 'UTC')
            AND bucket < toDateTime({days_start:UInt32}, 'UTC'))
           OR (bucket >= toDateTime({days_end:UInt32}, 'UTC')
               AND bucket < toDateTime({end:UInt32}, 'UTC')))
) AS part
ARRAY JOIN keys AS key, numbers AS part_number, arrayEnumerate(keys) AS place
WHERE part_number != 0
GROUP BY owner, is_outbound, is_mms, country, what, key
-- One thread: several queries of an answer run at the same time, and each reads little.
SETTINGS max_threads = 1
