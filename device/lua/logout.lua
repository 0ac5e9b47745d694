-- Ends a login session.
-- KEYS  1 the login's record, 2 the list of the device's logins
-- ARGV  1 hash of the token
-- Returns {"ok"}
-- Guarantees that the token is worth nothing from here on.
redis.call('DEL', KEYS[1])
redis.call('LREM', KEYS[2], 0, ARGV[1])
return { 'ok' }
