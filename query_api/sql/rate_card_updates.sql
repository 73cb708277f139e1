-- rate_card_updates: when the rate card was last changed, and how the last fetch of prices ended.
-- Grain: exactly one row.
-- Parameters: none
-- Units: epoch milliseconds, 0 for never; fetched_ms is of the last fetch that brought prices of every
--   country, tried_ms of the last one however it ended.
SELECT
    toUnixTimestamp64Milli(maxIf(u.at, u.kind = 'load')) AS loaded_ms,
    toUnixTimestamp64Milli(maxIf(u.at, u.kind = 'fetch' AND u.outcome = 'ok')) AS fetched_ms,
    toUnixTimestamp64Milli(maxIf(u.at, u.kind = 'fetch')) AS tried_ms,
    toString(argMaxIf(u.outcome, u.at, u.kind = 'fetch')) AS outcome,
    argMaxIf(u.detail, u.at, u.kind = 'fetch') AS detail
FROM rate_card_updates AS u
