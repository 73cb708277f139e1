-- applied_migrations: which migrations the database has.
-- Grain: one row per migration.
-- Parameters: none.
SELECT number, name, checksum
FROM schema_migrations FINAL
ORDER BY number
