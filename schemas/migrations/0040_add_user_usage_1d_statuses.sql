-- As in user_usage_15m (migration 38): messages by status, the most frequent first, without the zeros at the end.
-- ENGINE, ORDER BY, PARTITION BY, TTL: as they are.
ALTER TABLE user_usage_1d ADD COLUMN IF NOT EXISTS statuses Array(Int64) MATERIALIZED arrayMap(
    counts -> arraySlice(counts, 1, arrayLastIndex(count -> count != 0, counts)), [[
        status_delivered, status_received, status_sent, status_failed, status_undelivered, status_read,
        status_queued, status_sending, status_accepted, status_receiving, status_partially_delivered,
        status_scheduled, status_canceled
    ]]
)[1]
