-- system_slots: the whole system's totals over time, fine enough for every local hour, day and week.
-- Grain: one row per slot of UTC time and direction that has cells, in this order.
-- Parameters:
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   width                         width of a slot in seconds, a multiple of 900
--   fine_days                     UTC days, counted since 1970, whose slots have 900 seconds
-- Units: every column is a whole number, so that an answer is one array. time = epoch seconds of the
--   slot's start, a multiple of its width; is_outbound: 0 or 1; counts of messages by current status
--   (good, bad: settled; the others are in flight); body_length in characters; cost in micro-USD.
SELECT
    toUnixTimestamp(bucket) - toUnixTimestamp(bucket) % if(
        has({fine_days:Array(UInt32)}, intDiv(toUnixTimestamp(bucket), 86400)), 900, {width:UInt32}
    ) AS time,
    direction = 'outbound' AS is_outbound,
    sum(cell.messages) AS messages,
    sum(cell.segments) AS segments,
    sum(cell.body_length) AS body_length,
    sum(status_delivered + status_received + status_read) AS good,
    sum(status_failed + status_undelivered) AS bad,
    sum(status_canceled) AS canceled,
    sum(base_micros + carrier_fee_micros + failed_fee_micros) AS cost_micros
FROM system_totals_15m AS cell FINAL
WHERE bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
GROUP BY time, is_outbound
ORDER BY time, is_outbound
-- One thread: several queries of an answer run at the same time, and each reads little.
SETTINGS max_threads = 1
