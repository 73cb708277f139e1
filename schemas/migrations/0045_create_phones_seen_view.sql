-- What fills phones_seen. User 0 is nobody, and number 0 none.
-- ENGINE, ORDER BY, PARTITION BY, TTL: those of phones_seen.
CREATE MATERIALIZED VIEW IF NOT EXISTS phones_seen_view TO phones_seen AS
SELECT user_id, phone_hash, source, max(usage_log.first_position) AS first_position,
       max(toDateTime(occurred_at, 'UTC')) AS last_at
FROM usage_log
WHERE user_id != 0 AND phone_hash != 0
GROUP BY user_id, phone_hash, source
