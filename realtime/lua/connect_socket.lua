-- Registers a socket, for all instances to see.
-- KEYS  1 the connection's record, 2 the tenant's index of connections, 3 the
--       tenant's event stream, 4-15 the device's key set (only for a device's)
-- ARGV  1-5 the scope, 6 connection id, 7 ms that it counts as there, 8 the record,
--       9 ms for which the device counts as online after its end
-- Returns {"ok", events, newest id of the stream, order}, or {"unauthorized"} for a
--       device that is shut out. Of two sockets of a device, the newer has the
--       higher order.
-- Guarantees that a device's newest socket is the one that counts: the instance
-- that holds an older one is told, and finds out with its next renewal otherwise.
--@include store/device
--@include store/event
--@include device/presence
--@include connection
local id, order = ARGV[6], 0
if #KEYS > 3 then
  local device, now = device_at(4, 1), clock()
  if shut_out(device) then
    return { 'unauthorized' }
  end
  order = math.max(now, tonumber(redis.call('HGET', device.record, 'connected') or 0) + 1)
  redis.call('HSET', device.record, 'connected', ms(order))
  holds_socket(device, now, id, tonumber(ARGV[7]))
  redis.call('PUBLISH', 'fg:wake', table.concat({ 'socket', device.id, device.tenant, id }, ' '))
end
register({ record = KEYS[1], index = KEYS[2] }, id, ARGV[8], ARGV[7])
local newest = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
return { 'ok', events(), newest and newest[1] or '0-0', ms(order) }
