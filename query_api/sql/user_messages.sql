-- user_messages: one user's messages, newest first, one page of them.
-- Grain: one row per message, by falling (occurred_at, message_sid).
-- Parameters:
--   user_id                       whose
--   erased_before                 by source: the position before which all of the user's is erased
--   from_ms, to_ms                the range [from_ms, to_ms) of occurred_at, epoch milliseconds
--   direction, status, country    only these; an empty text is any
--   is_any_error, error_code      1 for any or no error code, else only this one
--   after_ms, after_sid           the page begins behind the message with these; for the first page
--                                 a moment behind every message, and an empty text
--   page_rows                     how many rows at most
-- Units: micro-USD, microseconds, milliseconds; hash 0: no counterparty is known; statuses and costs
--   as last known.
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
    provisional_micros
FROM usage_log FINAL
WHERE user_id = {user_id:UInt64} AND first_position >= {erased_before:Map(UInt32, UInt64)}[source]
  AND occurred_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND occurred_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND occurred_at <= fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')
  AND (occurred_at < fromUnixTimestamp64Milli({after_ms:Int64}, 'UTC')
       OR message_sid < {after_sid:String})
  AND ({direction:String} = '' OR toString(direction) = {direction:String})
  AND ({status:String} = '' OR toString(status) = {status:String})
  AND ({country:String} = '' OR country_code = {country:String})
  AND ({is_any_error:UInt8} = 1 OR error_code = {error_code:Int32})
ORDER BY occurred_at DESC, message_sid DESC
LIMIT {page_rows:UInt32}
