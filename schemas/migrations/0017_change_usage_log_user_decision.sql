-- A message may have no user because he had his data erased.
-- ENGINE, ORDER BY, PARTITION BY, TTL: as they are. A new name of an Enum8 changes no part.
ALTER TABLE usage_log
    MODIFY COLUMN user_decision Enum8('event' = 1, 'mapping' = 2, 'unresolved' = 3,
                                      'consent_withdrawn' = 4, 'erased' = 5)
