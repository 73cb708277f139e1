-- user_total: how many messages one user had, and what they cost.
-- Grain: exactly one row.
-- Parameters:
--   user_id                       whose
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
-- Units: messages; cost in micro-USD.
SELECT
    sum(cell.messages) AS messages,
    sum(base_micros + carrier_fee_micros + failed_fee_micros) AS cost_micros
FROM user_usage_15m AS cell FINAL
WHERE user_id = {user_id:UInt64}
  AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
