-- What users decided about their data, as the API took it: consents and erasures, each also a record of
-- sms.privacy.v1 for the workers. Rows are the proof of it and are kept.
-- ENGINE: ReplacingMergeTree: a request has its own id, so one that is written again is still one.
-- ORDER BY: looked up by user, read by time. No PARTITION BY or TTL: a row is a human act.
CREATE TABLE IF NOT EXISTS privacy_requests
(
    user_id      UInt64,
    at           DateTime64(3, 'UTC'),
    receipt_id   String,
    kind         Enum8('consent' = 1, 'erasure' = 2),
    analytics    UInt8,
    requested_by UInt64
)
ENGINE = ReplacingMergeTree
ORDER BY (user_id, at, receipt_id)
