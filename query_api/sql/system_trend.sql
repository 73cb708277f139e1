-- system_trend: the whole system's totals over time.
-- Grain: one row per local slot that has cells, in order of time.
-- Parameters:
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   clock_starts, clock_offsets   stretches of constant UTC offset in the range: where each begins
--                                 (epoch seconds, the first is start), seconds to add to UTC
--   width                         width of a slot in local seconds: 900, 3600 or 86400
--   overdue_before                epoch seconds; outbound messages in flight in buckets that end
--                                 at or before it are unknown as well
-- Units: slot = epoch seconds of its start, cut at start and where the offset changes; counts of
--   messages by current status (good, bad: settled); body_length in characters; cost in micro-USD.
WITH
    roundDown(toUnixTimestamp(bucket), {clock_starts:Array(UInt32)}) AS stretch,
    toInt64(toUnixTimestamp(bucket)) + transform(stretch, {clock_starts:Array(UInt32)},
                                                 {clock_offsets:Array(Int32)}, 0) AS local,
    status_delivered + status_received + status_read AS settled_good,
    status_failed + status_undelivered AS settled_bad,
    status_accepted + status_scheduled + status_queued + status_sending + status_sent
        + status_receiving + status_partially_delivered AS in_flight
SELECT
    greatest(toUnixTimestamp(bucket) - local % {width:UInt32}, stretch) AS slot,
    sum(cell.messages) AS messages,
    sumIf(cell.messages, direction = 'inbound') AS inbound,
    sumIf(cell.messages, direction = 'outbound') AS outbound,
    sum(segments) AS segments,
    sum(body_length) AS body_length,
    sum(settled_good) AS good,
    sum(settled_bad) AS bad,
    sumIf(settled_good, direction = 'outbound') AS outbound_good,
    sumIf(settled_bad, direction = 'outbound') AS outbound_bad,
    sumIf(status_canceled, direction = 'outbound') AS outbound_canceled,
    sumIf(in_flight, direction = 'outbound') AS outbound_in_flight,
    sumIf(in_flight, direction = 'outbound'
                  AND toUnixTimestamp(bucket) + 900 <= {overdue_before:UInt32}) AS outbound_unknown,
    sum(base_micros + carrier_fee_micros + failed_fee_micros) AS cost_micros
FROM system_usage_15m AS cell FINAL
WHERE bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
GROUP BY slot
ORDER BY slot
