-- users_without_consent: which users have withdrawn their consent to the analysis of their messages.
-- Grain: one row per user whose last decision it was, in order.
-- Parameters:
--   users                         of whom
-- Units: user ids.
SELECT user_id
FROM privacy_requests FINAL
WHERE user_id IN {users:Array(UInt64)} AND kind = 'consent'
GROUP BY user_id
HAVING argMax(analytics, (at, receipt_id)) = 0
ORDER BY user_id
