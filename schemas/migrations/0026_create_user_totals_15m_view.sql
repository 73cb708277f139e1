-- What fills user_totals_15m, as it was (migration 22), over the new user_usage_15m.
-- To be applied while no worker runs: what one wrote before it would be missing in user_totals_15m.
-- ENGINE, ORDER BY, PARTITION BY, TTL: those of user_totals_15m.
CREATE MATERIALIZED VIEW IF NOT EXISTS user_totals_15m_view TO user_totals_15m AS
SELECT bucket, user_id, direction, message_type, country_code, source, version, messages, segments,
       status_delivered + status_received + status_read AS good,
       status_failed + status_undelivered AS bad,
       base_micros + carrier_fee_micros + failed_fee_micros AS cost_micros
FROM user_usage_15m
