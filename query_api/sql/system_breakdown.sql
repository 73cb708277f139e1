-- system_breakdown: what all messages were, what became of them and what they cost.
-- Grain: one row per direction, message type and country.
-- Parameters:
--   cells                         system_usage_1d, or system_usage_15m for what is not a whole day
--   start, end                    the range [start, end), epoch seconds on boundaries of these cells
-- Units: counts of messages and segments; statuses are current ones; *_micros in micro-USD;
--   processing times in microseconds, over the processing_count messages that have one.
SELECT
    direction,
    message_type,
    toString(country_code) AS country,
    sum(cell.messages) AS messages,
    sum(cell.segments) AS segments,
    sum(cell.status_delivered) AS status_delivered,
    sum(cell.status_received) AS status_received,
    sum(cell.status_read) AS status_read,
    sum(cell.base_micros) AS base_micros,
    sum(cell.carrier_fee_micros) AS carrier_fee_micros,
    sum(cell.failed_fee_micros) AS failed_fee_micros,
    sum(cell.provisional_micros) AS provisional_micros,
    sum(cell.processing_count) AS processing_count,
    sum(cell.processing_sum_us) AS processing_sum_us
FROM {cells:Identifier} AS cell FINAL
WHERE bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
GROUP BY direction, message_type, country
ORDER BY direction, message_type, country
-- One thread: several queries of an answer run at the same time, and each reads little.
SETTINGS max_threads = 1
