-- system_breakdown: what all messages were, what became of them and what they cost.
-- Grain: one row per direction, message type and country.
-- Parameters:
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   days_start, days_end          the whole UTC days inside the range, answered by the daily table;
--                                 both equal end where there are none
-- Units: counts of messages and segments; statuses are current ones; *_micros in micro-USD;
--   processing times in microseconds, over the processing_count messages that have one.
SELECT
    direction,
    message_type,
    toString(country_code) AS country,
    sum(messages) AS messages,
    sum(segments) AS segments,
    sum(status_accepted) AS status_accepted,
    sum(status_scheduled) AS status_scheduled,
    sum(status_queued) AS status_queued,
    sum(status_sending) AS status_sending,
    sum(status_sent) AS status_sent,
    sum(status_receiving) AS status_receiving,
    sum(status_partially_delivered) AS status_partially_delivered,
    sum(status_canceled) AS status_canceled,
    sum(status_failed) AS status_failed,
    sum(status_undelivered) AS status_undelivered,
    sum(status_delivered) AS status_delivered,
    sum(status_received) AS status_received,
    sum(status_read) AS status_read,
    sum(base_micros) AS base_micros,
    sum(carrier_fee_micros) AS carrier_fee_micros,
    sum(failed_fee_micros) AS failed_fee_micros,
    sum(provisional_micros) AS provisional_micros,
    sum(processing_count) AS processing_count,
    sum(processing_sum_us) AS processing_sum_us,
    max(processing_max_us) AS processing_max_us
FROM
(
    SELECT direction, message_type, country_code, messages, segments, status_accepted,
           status_scheduled, status_queued, status_sending,
           status_sent, status_receiving, status_partially_delivered,
           status_canceled, status_failed, status_undelivered,
           status_delivered, status_received, status_read,
           base_micros, carrier_fee_micros, failed_fee_micros,
           provisional_micros, processing_count, processing_sum_us,
           processing_max_us
    FROM system_usage_1d FINAL
    WHERE bucket >= toDateTime({days_start:UInt32}, 'UTC')
      AND bucket < toDateTime({days_end:UInt32}, 'UTC')
    UNION ALL
    SELECT direction, message_type, country_code, messages, segments, status_accepted,
           status_scheduled, status_queued, status_sending,
           status_sent, status_receiving, status_partially_delivered,
           status_canceled, status_failed, status_undelivered,
           status_delivered, status_received, status_read,
           base_micros, carrier_fee_micros, failed_fee_micros,
           provisional_micros, processing_count, processing_sum_us,
           processing_max_us
    FROM system_usage_15m FINAL
    WHERE (bucket >= toDateTime({start:UInt32}, 'UTC')
           AND bucket < toDateTime({days_start:UInt32}, 'UTC'))
       OR (bucket >= toDateTime({days_end:UInt32}, 'UTC')
           AND bucket < toDateTime({end:UInt32}, 'UTC'))
)
GROUP BY direction, message_type, country
ORDER BY direction, message_type, country
-- One thread: several queries of an answer run at the same time, and each reads little.
SETTINGS max_threads = 1
