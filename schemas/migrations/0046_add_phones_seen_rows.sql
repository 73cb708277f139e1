-- What usage_log held before there was a view. Rows may be repeated, so workers need not wait.
-- ENGINE, ORDER BY, PARTITION BY, TTL: those of phones_seen.
INSERT INTO phones_seen
SELECT user_id, phone_hash, source, max(usage_log.first_position) AS first_position,
       max(toDateTime(occurred_at, 'UTC')) AS last_at
FROM usage_log
WHERE user_id != 0 AND phone_hash != 0
GROUP BY user_id, phone_hash, source
