-- Erasures by user and source: what the API has hidden since the request, and how far the workers are.
-- Rows of a user of that source whose message lies before `position` are erased: nobody shows them, and
-- whoever finds one removes it. requested: nothing of the user is shown, whatever its position; taken_up:
-- the worker of the source has decided on the position, which never changes its meaning afterwards; done:
-- rows of before are gone, messages, receipts and cells of them counted.
-- ENGINE: ReplacingMergeTree(revision): steps follow one another by their revision, which begins with the
--   time of the request, so a later request goes before everything that was said of an earlier one.
-- ORDER BY: looked up by user; each request keeps its own receipt. No PARTITION BY or TTL: a row is a
--   human act, and a worker that was frozen for long must not bring back what it stands for.
CREATE TABLE IF NOT EXISTS erasures
(
    user_id    UInt64,
    source     UInt32,
    receipt_id String,
    revision   UInt64,
    position   UInt64,
    step       Enum8('requested' = 1, 'taken_up' = 2, 'done' = 3),
    messages   UInt64,
    receipts   UInt64,
    cells      UInt64,
    at         DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (user_id, source, receipt_id)
