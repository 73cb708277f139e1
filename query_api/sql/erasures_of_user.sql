-- erasures_of_user: a user's requests for erasure, and how far each has come.
-- Grain: one row per request, the newest first.
-- Parameters:
--   user_id                       whose
-- Units: requested_ms, changed_ms: epoch milliseconds; sources, taken_up and done count sources of the
--   log; messages, receipts and cells are rows that were removed.
SELECT
    request.receipt_id AS receipt_id,
    toUnixTimestamp64Milli(any(request.at)) AS requested_ms,
    any(request.requested_by) AS requested_by,
    countIf(step.receipt_id != '') AS sources,
    countIf(step.step IN ('taken_up', 'done')) AS taken_up,
    countIf(step.step = 'done') AS done,
    sum(step.messages) AS messages,
    sum(step.receipts) AS receipts,
    sum(step.cells) AS cells,
    toUnixTimestamp64Milli(max(step.at)) AS changed_ms
FROM (SELECT * FROM privacy_requests FINAL WHERE user_id = {user_id:UInt64} AND kind = 'erasure') AS request
LEFT JOIN (SELECT * FROM erasures FINAL WHERE user_id = {user_id:UInt64}) AS step
    ON step.receipt_id = request.receipt_id
GROUP BY request.receipt_id
ORDER BY requested_ms DESC, receipt_id
