-- kick_socket closes a connection of any instance.
-- KEYS  1 the connection's record, 2 the tenant's index of connections, 3 its
--       leases of sockets
-- ARGV  1 tenant, 2 connection id, 3 ms for which the kick is remembered
-- Returns {"ok", ""}
-- Refuses with connection_not_found
-- Guarantees that the instance that serves the connection learns it from its next renewal
-- when the wake-up is lost.
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
