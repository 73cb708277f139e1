-- user_breakdown: what one user's messages were, what became of them and what they cost.
-- Grain: one row per direction, message type and country.
-- Parameters:
--   user_id                       whose
--   erased_before                 by source: the position before which all of the user's is erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   days_start, days_end          the whole UTC days inside the range, answered by the daily table;
--                                 both equal end where there are none
-- Units: counts of messages and segments; statuses are current ones; *_micros in micro-USD;
--   processing times in microseconds, over the processing_count messages that have one; parallel
--   arrays: processing_bins of schemas.histogram and the messages in each, error_codes of current
--   states and the messages of each.
SELECT
    direction,
    message_type,
    toString(country_code) AS country,
    sum(part.messages) AS messages,
    sum(part.segments) AS segments,
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
    max(part.processing_max_us) AS processing_max_us,
    sumMap(part.processing_bins, part.processing_counts).1 AS processing_bins,
    sumMap(part.processing_bins, part.processing_counts).2 AS processing_counts,
    sumMap(part.error_codes, part.error_messages).1 AS error_codes,
    sumMap(part.error_codes, part.error_messages).2 AS error_messages
FROM
(
    SELECT direction, message_type, country_code, messages, segments, status_accepted,
           status_scheduled, status_queued, status_sending, status_sent, status_receiving,
           status_partially_delivered, status_canceled, status_failed, status_undelivered,
           status_delivered, status_received, status_read, base_micros, carrier_fee_micros,
           failed_fee_micros, provisional_micros, processing_count, processing_sum_us,
           processing_max_us, processing_bins, processing_counts, error_codes, error_messages
    FROM user_usage_1d FINAL
    WHERE user_id = {user_id:UInt64} AND version >= {erased_before:Map(UInt32, UInt64)}[source]
      AND bucket >= toDateTime({days_start:UInt32}, 'UTC')
      AND bucket < toDateTime({days_end:UInt32}, 'UTC')
    UNION ALL
    SELECT direction, message_type, country_code, messages, segments, status_accepted,
           status_scheduled, status_queued, status_sending, status_sent, status_receiving,
           status_partially_delivered, status_canceled, status_failed, status_undelivered,
           status_delivered, status_received, status_read, base_micros, carrier_fee_micros,
           failed_fee_micros, provisional_micros, processing_count, processing_sum_us,
           processing_max_us, processing_bins, processing_counts, error_codes, error_messages
    FROM user_usage_15m FINAL
    WHERE user_id = {user_id:UInt64} AND version >= {erased_before:Map(UInt32, UInt64)}[source]
      AND ((bucket >= toDateTime({start:UInt32}, 'UTC')
            AND bucket < toDateTime({days_start:UInt32}, 'UTC'))
           OR (bucket >= toDateTime({days_end:UInt32}, 'UTC')
               AND bucket < toDateTime({end:UInt32}, 'UTC')))
) AS part
GROUP BY direction, message_type, country
ORDER BY direction, message_type, country
