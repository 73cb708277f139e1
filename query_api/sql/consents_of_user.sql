-- consents_of_user: everything that one user ever decided about the analysis of his messages.
-- Grain: one row per decision, in order of time.
-- Parameters:
--   user_id                       whose
-- Units: analytics 1: granted, 0: withdrawn; at_ms: epoch milliseconds.
SELECT analytics, toUnixTimestamp64Milli(at) AS at_ms, requested_by
FROM privacy_requests FINAL
WHERE user_id = {user_id:UInt64} AND kind = 'consent'
ORDER BY at, receipt_id
