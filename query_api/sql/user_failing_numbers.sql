-- user_failing_numbers: numbers to which nothing of one user's ever got through.
-- Grain: one row per counterparty with at least so many failed messages and none that arrived, the
--   most expensive first; at most page_rows.
-- Parameters:
--   user_id                       whose
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
--   least                         failed messages from which on a number is listed
--   page_rows                     how many rows at most
-- Units: messages to a number; micro-USD of all of them; numbers, all_messages, all_micros: the sums
--   over all such numbers, also those that are not listed.
SELECT
    counterparty_hash,
    any(toString(country_code)) AS country,
    count() AS messages,
    sum(base_micros + carrier_fee_micros + failed_fee_micros) AS cost_micros,
    count() OVER () AS numbers,
    sum(messages) OVER () AS all_messages,
    sum(cost_micros) OVER () AS all_micros
FROM usage_log FINAL
WHERE user_id = {user_id:UInt64}
  AND occurred_at >= toDateTime64({start:UInt32}, 3, 'UTC')
  AND occurred_at < toDateTime64({end:UInt32}, 3, 'UTC')
  AND direction = 'outbound' AND counterparty_hash != 0
GROUP BY counterparty_hash
HAVING countIf(status IN ('failed', 'undelivered')) >= {least:UInt32}
   AND countIf(status IN ('delivered', 'received', 'read')) = 0
ORDER BY cost_micros DESC, counterparty_hash
LIMIT {page_rows:UInt32}
