-- system_message_report: all messages as rows of a report.
-- Grain: one row per message, by rising (occurred_at, message_sid).
-- Parameters:
--   start, end                    the range [start, end), epoch seconds
--   is_csv                        1 for a table: a sid that a spreadsheet would take for a formula
--                                 gets an apostrophe in front
-- Units: as the columns of usage_log; cost_usd in USD, exact. An unknown text is empty;
--   user 0 is not known. Of an erased user's messages it shows what their stubs will.
WITH log.first_position < erased.position AS is_erased
SELECT
    if(is_erased, 0, log.user_id) AS user_id,
    concat(replaceOne(toString(log.occurred_at), ' ', 'T'), 'Z') AS occurred_at,
    multiIf(is_erased, 'erased',
            {is_csv:UInt8} = 1 AND match(log.message_sid, '^[=+\\-@\\t\\r\\n＝＋－＠]'),
            concat('''', log.message_sid), log.message_sid) AS message_sid,
    toString(log.direction) AS direction,
    toString(log.message_type) AS message_type,
    toString(log.status) AS status,
    log.error_code AS error_code,
    toString(log.country_code) AS country_code,
    if(is_erased OR log.counterparty_hash = 0, '', lower(leftPad(hex(log.counterparty_hash), 16, '0')))
        AS counterparty_hash,
    if(is_erased, '', toString(log.mcc_mnc)) AS mcc_mnc,
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
LEFT ANY JOIN erased_before AS erased ON erased.user_id = log.user_id AND erased.source = log.source
WHERE log.occurred_at >= toDateTime64({start:UInt32}, 3, 'UTC')
  AND log.occurred_at < toDateTime64({end:UInt32}, 3, 'UTC')
ORDER BY log.occurred_at, log.message_sid, log.user_id
