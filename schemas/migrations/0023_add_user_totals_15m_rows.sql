-- What user_usage_15m held before there was a view. Rows may be repeated, so workers need not wait.
-- ENGINE, ORDER BY, PARTITION BY, TTL: those of user_totals_15m.
INSERT INTO user_totals_15m
SELECT bucket, user_id, direction, message_type, country_code, source, version, messages, segments,
       status_delivered + status_received + status_read AS good,
       status_failed + status_undelivered AS bad,
       base_micros + carrier_fee_micros + failed_fee_micros AS cost_micros
FROM user_usage_15m
