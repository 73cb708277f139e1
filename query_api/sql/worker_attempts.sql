-- worker_attempts: at which positions workers have begun again and again.
-- Grain: one row per source whose newest position was tried at least so often.
-- Parameters:
--   least                         attempts from which on a source is listed
-- Units: next_offset is the Kafka offset where the attempts began.
SELECT source, next_offset, attempts, error
FROM worker_attempts FINAL
WHERE attempts >= {least:UInt32}
ORDER BY source
