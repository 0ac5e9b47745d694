-- kick_socket closes a connection on any instance.
-- KEYS[1]  the connection's record
-- KEYS[2]  the tenant's index of connections
-- KEYS[3]  the tenant's leases of sockets
-- ARGV[1]  the tenant
-- ARGV[2]  the id of the connection
-- ARGV[3]  time for which the record marks the connection as closed, in ms
-- Returns {"ok", ""}
-- Refuses with connection_not_found if the connection has no record or is marked already
-- Guarantees that the instance of the connection closes it at its next renewal, even if the
-- wake-up is lost.
--@include store/reply
--@include store/wake
--@include connection
local record_key, index_key, leases_key = KEYS[1], KEYS[2], KEYS[3]
local tenant, id, memory_ttl = ARGV[1], ARGV[2], ARGV[3]

local record = redis.call('GET', record_key)
if not record or record == KICKED then
  return refuse('connection_not_found')
end
redis.call('SET', record_key, KICKED, 'PX', memory_ttl)
redis.call('ZREM', index_key, id)
redis.call('ZREM', leases_key, id)
wake('kick', '-', tenant, id)
return ok()
