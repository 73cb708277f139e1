-- user_message_report: one user's messages as rows of a report.
-- Grain: one row per message, by rising (occurred_at, message_sid).
-- Parameters:
--   user_id                       whose
--   erased_before                 by source: the position before which all of the user's is erased
--   start, end                    the range [start, end), epoch seconds
--   is_csv                        1 for a table: a sid that a spreadsheet would take for a formula
--                                 gets an apostrophe in front
-- Units: as the columns of usage_log; cost_usd in USD, exact. An unknown text is empty.
SELECT
    concat(replaceOne(toString(log.occurred_at), ' ', 'T'), 'Z') AS occurred_at,
    if({is_csv:UInt8} = 1 AND match(log.message_sid, '^[=+\\-@\\t\\r\\n＝＋－＠]'),
       concat('''', log.message_sid), log.message_sid) AS message_sid,
    toString(log.direction) AS direction,
    toString(log.message_type) AS message_type,
    toString(log.status) AS status,
    log.error_code AS error_code,
    toString(log.country_code) AS country_code,
    if(log.counterparty_hash = 0, '', lower(leftPad(hex(log.counterparty_hash), 16, '0')))
        AS counterparty_hash,
    toString(log.mcc_mnc) AS mcc_mnc,
    log.segments AS segments,
    if(log.encoding = 'unknown', '', toString(log.encoding)) AS encoding,
    log.num_media AS num_media,
    log.body_length AS body_length,
    toDecimal64(log.processing_us, 3) / 1000 AS processing_time_ms,
    toDecimal64(base_micros + log.carrier_fee_micros + log.failed_fee_micros, 6) / 1000000
        AS cost_usd,
    base_micros + log.carrier_fee_micros + log.failed_fee_micros AS cost_micros,
    log.carrier_fee_micros AS carrier_fee_micros,
    log.failed_fee_micros AS failed_fee_micros,
    log.provisional_micros AS provisional_micros,
    toString(log.cost_source) AS cost_source
FROM usage_log AS log FINAL
WHERE user_id = {user_id:UInt64} AND first_position >= {erased_before:Map(UInt32, UInt64)}[source]
  AND log.occurred_at >= toDateTime64({start:UInt32}, 3, 'UTC')
  AND log.occurred_at < toDateTime64({end:UInt32}, 3, 'UTC')
ORDER BY log.occurred_at, log.message_sid
