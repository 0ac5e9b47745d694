-- Ends a connection, wherever it is.
-- KEYS  1 the connection's record, 2 the tenant's index of connections
-- ARGV  1 tenant, 2 connection id, 3 ms for which it is remembered
-- Returns {"ok"} or {"connection_not_found"}
-- Guarantees that the instance that holds it finds out with its next renewal, if
-- the wake-up is lost.
--@include connection
local record = redis.call('GET', KEYS[1])
if not record or record == KICKED then
  return { 'connection_not_found' }
end
redis.call('SET', KEYS[1], KICKED, 'PX', ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('PUBLISH', 'fg:wake', table.concat({ 'kick', '-', ARGV[1], ARGV[2] }, ' '))
return { 'ok' }
