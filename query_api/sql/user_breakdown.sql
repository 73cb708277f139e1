-- user_breakdown: what one user's messages were, what became of them and what they cost.
-- Grain: one row per direction, message type and country.
-- Parameters:
--   user_id                       whose
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
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
FROM user_usage_15m FINAL
WHERE user_id = {user_id:UInt64}
  AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
GROUP BY direction, message_type, country
ORDER BY direction, message_type, country
