-- user_consent: what one user decided last about the analysis of his messages.
-- Grain: one row, none where nothing was ever decided.
-- Parameters:
--   user_id                       whose
-- Units: analytics 1: granted, 0: withdrawn; at_ms: epoch milliseconds.
SELECT analytics, toUnixTimestamp64Milli(at) AS at_ms
FROM privacy_requests FINAL
WHERE user_id = {user_id:UInt64} AND kind = 'consent'
ORDER BY at DESC, receipt_id DESC
LIMIT 1
