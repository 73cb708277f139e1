-- When the rate card was changed or meant to be: each `rates load` and `rates fetch`, with what came of
-- it. The rates themselves are in sms.rate-card.v1; here is what `/readyz` and operators ask about them.
-- ENGINE: MergeTree: nothing is ever replaced. ORDER BY at: read whole, in the order of time.
-- No PARTITION BY or TTL: some rows a day, and they are the history of prices.
CREATE TABLE IF NOT EXISTS rate_card_updates
(
    at        DateTime64(3, 'UTC'),
    kind      Enum8('load' = 1, 'fetch' = 2),
    outcome   Enum8('ok' = 1, 'partial' = 2, 'failed' = 3),
    countries UInt16,
    published UInt32,
    detail    String
)
ENGINE = MergeTree
ORDER BY at
