-- user_kinds: what some users' messages were, what became of them and what they cost.
-- Grain: one row per user, direction, message type and country, unordered.
-- Parameters:
--   users                         whose
--   erased_before                 by user and source: the position before which all of the user's is
--                                 erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   days_start, days_end          the whole UTC days inside the range, answered by the daily table;
--                                 both equal end where there are none
-- Units: every column is Int64, so that an answer is one array; the same columns as `user_cells` from
--   is_outbound on, summed (processing_max_us: the largest).
SELECT
    toInt64(user_id) AS owner,
    toInt64(direction = 'outbound') AS is_outbound,
    toInt64(message_type = 'mms') AS is_mms,
    toInt64(reinterpretAsUInt16(country_code)) AS country,
    sum(part.messages) AS messages,
    sum(part.segments) AS segments,
    sum(part.body_length) AS body_length,
    sum(part.status_accepted) AS status_accepted,
    sum(part.status_scheduled) AS status_scheduled,
    sum(part.status_queued) AS status_queued,
    sum(part.status_sending) AS status_sending,
    sum(part.status_sent) AS status_sent,
    sum(part.status_receiving) AS status_receiving,
    sum(part.status_partially_delivered) AS status_partially_delivered,
    sum(part.status_canceled) AS status_canceled,
    sum(part.status_failed) AS status_failed,
    sum(part.status_undelivered) AS status_undelivered,
    sum(part.status_delivered) AS status_delivered,
    sum(part.status_received) AS status_received,
    sum(part.status_read) AS status_read,
    sum(part.base_micros) AS base_micros,
    sum(part.carrier_fee_micros) AS carrier_fee_micros,
    sum(part.failed_fee_micros) AS failed_fee_micros,
    sum(part.provisional_micros) AS provisional_micros,
    sum(part.processing_count) AS processing_count,
    sum(part.processing_sum_us) AS processing_sum_us,
    max(part.processing_max_us) AS processing_max_us
FROM
(
    SELECT user_id, direction, message_type, country_code, messages, segments, body_length,
           status_accepted, status_scheduled, status_queued, status_sending, status_sent,
           status_receiving, status_partially_delivered, status_canceled, status_failed,
           status_undelivered, status_delivered, status_received, status_read, base_micros,
           carrier_fee_micros, failed_fee_micros, provisional_micros, processing_count,
           processing_sum_us, processing_max_us
    FROM user_usage_1d FINAL
    WHERE user_id IN {users:Array(UInt64)}
      AND version >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source]
      AND bucket >= toDateTime({days_start:UInt32}, 'UTC')
      AND bucket < toDateTime({days_end:UInt32}, 'UTC')
    UNION ALL
    SELECT user_id, direction, message_type, country_code, messages, segments, body_length,
           status_accepted, status_scheduled, status_queued, status_sending, status_sent,
           status_receiving, status_partially_delivered, status_canceled, status_failed,
           status_undelivered, status_delivered, status_received, status_read, base_micros,
           carrier_fee_micros, failed_fee_micros, provisional_micros, processing_count,
           processing_sum_us, processing_max_us
    FROM user_usage_15m FINAL
    WHERE user_id IN {users:Array(UInt64)}
      AND version >= {erased_before:Map(UInt64, Map(UInt32, UInt64))}[user_id][source]
      AND ((bucket >= toDateTime({start:UInt32}, 'UTC')
            AND bucket < toDateTime({days_start:UInt32}, 'UTC'))
           OR (bucket >= toDateTime({days_end:UInt32}, 'UTC')
               AND bucket < toDateTime({end:UInt32}, 'UTC')))
) AS part
GROUP BY owner, is_outbound, is_mms, country
