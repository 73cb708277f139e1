-- user_error_codes: with which error codes one user's messages stand.
-- Grain: one row per error code of a message's current state, the most frequent first.
-- Parameters:
--   user_id                       whose
--   start, end                    the range [start, end), epoch seconds on 15-minute boundaries
-- Units: messages.
SELECT error_code, sum(counted) AS messages
FROM user_usage_15m FINAL
ARRAY JOIN error_codes AS error_code, error_messages AS counted
WHERE user_id = {user_id:UInt64}
  AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
GROUP BY error_code
HAVING messages != 0
ORDER BY messages DESC, error_code
