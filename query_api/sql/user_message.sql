-- user_message: one message of one user with everything that was ever said about it.
-- Grain: one row, none where the user has no such message.
-- Parameters:
--   user_id                       whose
--   erased_before                 by source: the position before which all of the user's is erased
--   message_sid                   which
-- Units: micro-USD, microseconds, milliseconds; hash 0: no counterparty is known. history_* are
--   parallel arrays in order of position, empty while nothing followed the first event.
SELECT
    message_sid,
    toUnixTimestamp64Milli(occurred_at) AS occurred_ms,
    direction,
    message_type,
    status,
    error_code,
    toString(country_code) AS country,
    mcc_mnc,
    counterparty_hash,
    segments,
    encoding,
    non_gsm_characters,
    num_media,
    body_length,
    processing_us,
    latency_ms,
    cost_source,
    rate_origin,
    base_micros,
    carrier_fee_micros,
    failed_fee_micros,
    provisional_micros,
    history_status,
    history_error_code,
    history_price_micros,
    history_at_ms
FROM usage_log FINAL
WHERE user_id = {user_id:UInt64} AND first_position >= {erased_before:Map(UInt32, UInt64)}[source] AND message_sid = {message_sid:String}
