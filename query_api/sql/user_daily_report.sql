-- user_daily_report: one user's local days as rows of a report.
-- Grain: one row per local day, direction, message type and country, in this order.
-- Parameters:
--   user_id                       whose
--   erased_before                 by source: the position before which all of the user's is erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   clock_starts, clock_offsets   stretches of constant UTC offset in the range: where each begins
--                                 (epoch seconds, the first is start), seconds to add to UTC
-- Units: counts of messages by current status and of segments; *_micros in micro-USD; cost_usd in
--   USD, exact.
WITH
    roundDown(toUnixTimestamp(bucket), {clock_starts:Array(UInt32)}) AS stretch,
    toInt64(toUnixTimestamp(bucket)) + transform(stretch, {clock_starts:Array(UInt32)},
                                                 {clock_offsets:Array(Int32)}, 0) AS local
SELECT
    toString(toDate(toDateTime(local, 'UTC'))) AS date,
    toString(cell.direction) AS direction,
    toString(cell.message_type) AS message_type,
    toString(cell.country_code) AS country_code,
    sum(cell.messages) AS messages,
    sum(cell.segments) AS segments,
    sum(status_delivered + status_received + status_read) AS succeeded,
    sum(status_failed + status_undelivered) AS failed,
    sum(status_accepted + status_scheduled + status_queued + status_sending + status_sent
        + status_receiving + status_partially_delivered) AS in_flight,
    sum(status_canceled) AS canceled,
    toDecimal128(sum(base_micros + cell.carrier_fee_micros + cell.failed_fee_micros), 6) / 1000000
        AS cost_usd,
    sum(base_micros + cell.carrier_fee_micros + cell.failed_fee_micros) AS cost_micros,
    sum(cell.carrier_fee_micros) AS carrier_fee_micros,
    sum(cell.failed_fee_micros) AS failed_fee_micros,
    sum(cell.provisional_micros) AS provisional_micros
FROM user_usage_15m AS cell FINAL
WHERE user_id = {user_id:UInt64} AND version >= {erased_before:Map(UInt32, UInt64)}[source]
  AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
GROUP BY date, direction, message_type, country_code
HAVING messages != 0 OR cost_micros != 0
ORDER BY date, direction, message_type, country_code
