-- user_export: one user's messages with everything that is kept of each, for him to take away.
-- Grain: one row per message, by rising (occurred_at, message_sid).
-- Parameters:
--   user_id                       whose
--   erased_before                 by source: the position before which all of the user's is erased
--   start, end                    the range [start, end), epoch seconds
-- Units: as the columns of usage_log; cost_usd in USD, exact; timeline is empty while nothing followed
--   the first event. An unknown text is empty.
SELECT
    concat(replaceOne(toString(log.occurred_at), ' ', 'T'), 'Z') AS occurred_at,
    log.message_sid AS message_sid,
    toString(log.user_decision) AS user_decided_by,
    if(log.phone_hash = 0, '', lower(leftPad(hex(log.phone_hash), 16, '0'))) AS phone_hash,
    if(log.counterparty_hash = 0, '', lower(leftPad(hex(log.counterparty_hash), 16, '0')))
        AS counterparty_hash,
    toString(log.direction) AS direction,
    toString(log.message_type) AS message_type,
    toString(log.status) AS status,
    log.error_code AS error_code,
    toString(log.country_code) AS country_code,
    toString(log.mcc_mnc) AS mcc_mnc,
    log.segments AS segments,
    if(log.encoding = 'unknown', '', toString(log.encoding)) AS encoding,
    log.non_gsm_characters AS non_gsm_characters,
    log.num_media AS num_media,
    log.body_length AS body_length,
    toDecimal64(log.processing_us, 3) / 1000 AS processing_time_ms,
    log.latency_ms AS latency_ms,
    toDecimal64(log.base_micros + log.carrier_fee_micros + log.failed_fee_micros, 6) / 1000000
        AS cost_usd,
    log.base_micros + log.carrier_fee_micros + log.failed_fee_micros AS cost_micros,
    log.base_micros AS base_micros,
    log.carrier_fee_micros AS carrier_fee_micros,
    log.failed_fee_micros AS failed_fee_micros,
    log.provisional_micros AS provisional_micros,
    toString(log.cost_source) AS cost_source,
    toString(log.rate_origin) AS rate_origin,
    log.rate_base_micros AS rate_base_micros,
    log.rate_carrier_micros AS rate_carrier_micros,
    log.rate_failed_micros AS rate_failed_micros,
    log.gsm_saved_segments AS gsm_saved_segments,
    log.trimmed_saved_segments AS trimmed_saved_segments,
    arrayMap((code, error, price, at) -> CAST(
                 (toString(CAST(code, toTypeName(log.status))), error, price,
                  concat(replaceOne(toString(fromUnixTimestamp64Milli(at, 'UTC')), ' ', 'T'), 'Z')),
                 'Tuple(status String, error_code Nullable(Int32), price_micros Nullable(Int64),
                        occurred_at String)'),
             log.history_status, log.history_error_code, log.history_price_micros,
             log.history_at_ms) AS timeline
FROM usage_log AS log FINAL
WHERE user_id = {user_id:UInt64} AND first_position >= {erased_before:Map(UInt32, UInt64)}[source]
  AND log.occurred_at >= toDateTime64({start:UInt32}, 3, 'UTC')
  AND log.occurred_at < toDateTime64({end:UInt32}, 3, 'UTC')
ORDER BY log.occurred_at, log.message_sid
