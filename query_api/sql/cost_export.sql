-- cost_export: every charge in the columns of FOCUS 1.2 (FinOps Open Cost and Usage Specification).
-- Grain: one row per UTC day, user, direction, message type, country and kind of charge, in this
--   order. User 0 is what the system's totals have more than all known users together.
-- Parameters:
--   start, end                    whole UTC days [start, end), epoch seconds
--   account                       BillingAccountId and BillingAccountName
--   provider                      ProviderName, PublisherName, InvoiceIssuerName
-- Units: costs in USD, exact. Columns that begin with x_ are not FOCUS's own.
SELECT
    total / 1000000 AS BilledCost,
    {account:String} AS BillingAccountId,
    {account:String} AS BillingAccountName,
    'USD' AS BillingCurrency,
    formatDateTime(toStartOfMonth(bucket) + INTERVAL 1 MONTH, '%Y-%m-%dT00:00:00Z') AS BillingPeriodEnd,
    formatDateTime(toStartOfMonth(bucket), '%Y-%m-%dT00:00:00Z') AS BillingPeriodStart,
    'Usage' AS ChargeCategory,
    CAST(NULL AS Nullable(String)) AS ChargeClass,
    concat(upper(toString(message_type)), ' ', toString(direction), ' ', toString(country_code), ', ',
           charge.1) AS ChargeDescription,
    'Usage-Based' AS ChargeFrequency,
    formatDateTime(bucket + INTERVAL 1 DAY, '%Y-%m-%dT00:00:00Z') AS ChargePeriodEnd,
    formatDateTime(bucket, '%Y-%m-%dT00:00:00Z') AS ChargePeriodStart,
    charge.3 AS ConsumedQuantity,
    charge.4 AS ConsumedUnit,
    total / 1000000 AS ContractedCost,
    total / 1000000 AS EffectiveCost,
    {provider:String} AS InvoiceIssuerName,
    total / 1000000 AS ListCost,
    charge.3 AS PricingQuantity,
    charge.4 AS PricingUnit,
    {provider:String} AS ProviderName,
    {provider:String} AS PublisherName,
    'Integration' AS ServiceCategory,
    'Messaging' AS ServiceName,
    'Messaging' AS ServiceSubcategory,
    concat(toString(message_type), '-', toString(direction), '-', toString(country_code), '-',
           replaceAll(charge.1, ' ', '-')) AS SkuId,
    toString(user_id) AS SubAccountId,
    if(user_id = 0, 'Unknown user', concat('User ', toString(user_id))) AS SubAccountName,
    toString(country_code) AS x_Country,
    toString(direction) AS x_Direction,
    toString(message_type) AS x_MessageType,
    if(charge.1 = 'base', toDecimal128(provisional, 6), toDecimal128(0, 6)) / 1000000
        AS x_ProvisionalCost
FROM
(
    SELECT
        owner AS user_id, bucket, direction, message_type, country_code,
        sum(sign * messages) AS all_messages,
        sum(sign * segments) AS all_segments,
        sum(sign * status_failed) AS failed,
        sum(sign * base_micros) AS base,
        sum(sign * carrier_fee_micros) AS carrier_fee,
        sum(sign * failed_fee_micros) AS failed_fee,
        sum(sign * provisional_micros) AS provisional
    FROM
    (
        SELECT user_id AS owner, 1 AS sign, bucket, direction, message_type, country_code, messages,
               segments, status_failed, base_micros, carrier_fee_micros, failed_fee_micros,
               provisional_micros
        FROM user_usage_1d FINAL
        LEFT ANY JOIN erased_before USING (user_id, source)
        WHERE version >= position
          AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
        UNION ALL
        SELECT 0 AS owner, -1 AS sign, bucket, direction, message_type, country_code, messages,
               segments, status_failed, base_micros, carrier_fee_micros, failed_fee_micros,
               provisional_micros
        FROM user_usage_1d FINAL
        LEFT ANY JOIN erased_before USING (user_id, source)
        WHERE version >= position
          AND bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
        UNION ALL
        SELECT 0 AS owner, 1 AS sign, bucket, direction, message_type, country_code, messages,
               segments, status_failed, base_micros, carrier_fee_micros, failed_fee_micros,
               provisional_micros
        FROM system_usage_1d FINAL
        WHERE bucket >= toDateTime({start:UInt32}, 'UTC') AND bucket < toDateTime({end:UInt32}, 'UTC')
    )
    GROUP BY user_id, bucket, direction, message_type, country_code
    HAVING all_messages != 0 OR base != 0 OR carrier_fee != 0 OR failed_fee != 0
)
ARRAY JOIN
    [tuple('base', base, if(message_type = 'sms', all_segments, all_messages),
           if(message_type = 'sms', 'Segments', 'Messages')),
     tuple('carrier fee', carrier_fee, if(message_type = 'sms', all_segments, all_messages),
           if(message_type = 'sms', 'Segments', 'Messages')),
     tuple('failed message fee', failed_fee, failed, 'Messages')] AS charge,
    [toDecimal128(base, 6), toDecimal128(carrier_fee, 6), toDecimal128(failed_fee, 6)] AS total
WHERE charge.1 = 'base' OR charge.2 != 0
ORDER BY bucket, user_id, direction, message_type, country_code, charge.1
