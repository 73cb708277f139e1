-- What usage_log held before there was a view. Rows may be repeated. To be applied while no worker runs: an
-- insert that began before the view and ended after this would be missing.
-- ENGINE, ORDER BY, PARTITION BY, TTL: those of phones_seen.
INSERT INTO phones_seen
SELECT user_id, phone_hash, source, max(usage_log.first_position) AS first_position,
       max(toDateTime(occurred_at, 'UTC')) AS last_at
FROM usage_log
WHERE user_id != 0 AND phone_hash != 0
GROUP BY user_id, phone_hash, source
