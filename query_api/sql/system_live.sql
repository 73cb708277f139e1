-- system_live: the whole system's last minutes, by hour of the local day.
-- Grain: one row per local hour (0 to 23) that has messages, in order.
-- Parameters:
--   start, end                    the range [start, end), epoch seconds on whole minutes, within the
--                                 48 hours that minutes are kept for
--   clock_starts, clock_offsets   stretches of constant UTC offset in the range: where each begins
--                                 (epoch seconds, the first is start), seconds to add to UTC
-- Units: messages by current status (good, bad: settled); processing times in microseconds, over the
--   processing_count messages that have one.
WITH
    roundDown(toUnixTimestamp(bucket), {clock_starts:Array(UInt32)}) AS stretch,
    toInt64(toUnixTimestamp(bucket)) + transform(stretch, {clock_starts:Array(UInt32)},
                                                 {clock_offsets:Array(Int32)}, 0) AS local
SELECT
    toUInt8(intDiv(local, 3600) % 24) AS hour,
    sum(cell.messages) AS messages,
    sum(status_delivered + status_received + status_read) AS good,
    sum(status_failed + status_undelivered) AS bad,
    sum(cell.processing_count) AS processing_count,
    sum(cell.processing_sum_us) AS processing_sum_us
FROM system_usage_1m AS cell FINAL
WHERE bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
GROUP BY hour
HAVING messages != 0
ORDER BY hour
