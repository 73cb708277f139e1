-- user_total: how many messages one user had.
-- Grain: exactly one row.
-- Parameters:
--   user_id                       whose
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
-- Units: messages.
SELECT sum(messages) AS messages
FROM user_usage_15m FINAL
WHERE user_id = {user_id:UInt64}
  AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
