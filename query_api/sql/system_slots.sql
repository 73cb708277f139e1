-- system_slots: the whole system's totals over time, fine enough for every local hour, day and week.
-- Grain: one row per slot of UTC time and direction that has cells, in this order.
-- Parameters:
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   width                         width of a slot in seconds, a multiple of 900
--   fine_days                     UTC days, counted since 1970, whose slots have 900 seconds
-- Units: every column is Int64, so that an answer is one array. time = epoch seconds of the slot's
--   start, a multiple of its width; is_outbound: 0 or 1; counts of messages by current status (good,
--   bad: settled); body_length in characters; cost in micro-USD.
SELECT
    toInt64(if(has({fine_days:Array(UInt32)}, intDiv(toUnixTimestamp(bucket), 86400)),
               toUnixTimestamp(bucket),
               intDiv(toUnixTimestamp(bucket), {width:UInt32}) * {width:UInt32})) AS time,
    toInt64(direction = 'outbound') AS is_outbound,
    sum(cell.messages) AS messages,
    sum(cell.segments) AS segments,
    sum(cell.body_length) AS body_length,
    sum(status_delivered + status_received + status_read) AS good,
    sum(status_failed + status_undelivered) AS bad,
    sum(status_canceled) AS canceled,
    -- Every message has one status; the columns of those in flight need not be read.
    messages - good - bad - canceled AS in_flight,
    sum(base_micros + carrier_fee_micros + failed_fee_micros) AS cost_micros
FROM system_totals_15m AS cell FINAL
WHERE bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
GROUP BY time, is_outbound
ORDER BY time, is_outbound
