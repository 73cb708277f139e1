-- user_trend: one user's totals over time, and when in the week his messages occur.
-- Grain: one row per local slot that has cells, in order of time; then one per local weekday and hour
--   that has cells.
-- Parameters:
--   user_id                       whose
--   erased_before                 by source: the position before which all of the user's is erased
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   clock_starts, clock_offsets   stretches of constant UTC offset: where each begins (epoch seconds,
--                                 the first at or before start), seconds to add to UTC
--   width                         width of a slot in local seconds: 900, 3600 or 86400
--   overdue_before                epoch seconds; outbound messages in flight in buckets that end
--                                 at or before it are unknown as well
-- Units: slot = epoch seconds of its start, cut where a stretch begins, and 0 for a row by weekday
--   (0 is Monday) and hour; counts of messages by current status (good, bad: settled); body_length in
--   characters; cost in micro-USD.
SELECT
    -- A column that a row is not grouped by is 0 in it.
    part.slot AS slot,
    part.weekday AS weekday,
    part.hour AS hour,
    sum(part.messages) AS messages,
    sum(part.inbound) AS inbound,
    sum(part.outbound) AS outbound,
    sum(part.segments) AS segments,
    sum(part.body_length) AS body_length,
    sum(part.good) AS good,
    sum(part.bad) AS bad,
    sum(part.outbound_good) AS outbound_good,
    sum(part.outbound_bad) AS outbound_bad,
    sum(part.outbound_canceled) AS outbound_canceled,
    sum(part.outbound_in_flight) AS outbound_in_flight,
    sum(part.outbound_unknown) AS outbound_unknown,
    sum(part.cost_micros) AS cost_micros
FROM
(
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
        -- 1970-01-01 was a Thursday.
        toUInt8((intDiv(local, 86400) + 3) % 7) AS weekday,
        toUInt8(intDiv(local, 3600) % 24) AS hour,
        sum(cell.messages) AS messages,
        sumIf(cell.messages, direction = 'inbound') AS inbound,
        sumIf(cell.messages, direction = 'outbound') AS outbound,
        sum(cell.segments) AS segments,
        sum(cell.body_length) AS body_length,
        sum(settled_good) AS good,
        sum(settled_bad) AS bad,
        sumIf(settled_good, direction = 'outbound') AS outbound_good,
        sumIf(settled_bad, direction = 'outbound') AS outbound_bad,
        sumIf(status_canceled, direction = 'outbound') AS outbound_canceled,
        sumIf(in_flight, direction = 'outbound') AS outbound_in_flight,
        sumIf(in_flight, direction = 'outbound'
                         AND toUnixTimestamp(bucket) + 900 <= {overdue_before:UInt32})
            AS outbound_unknown,
        sum(base_micros + carrier_fee_micros + failed_fee_micros) AS cost_micros
    FROM user_usage_15m AS cell FINAL
    WHERE user_id = {user_id:UInt64} AND version >= {erased_before:Map(UInt32, UInt64)}[source]
      AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
    GROUP BY slot, weekday, hour
) AS part
GROUP BY GROUPING SETS ((part.slot), (part.weekday, part.hour))
ORDER BY slot = 0, slot, weekday, hour
