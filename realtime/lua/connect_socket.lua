-- connect_socket registers a socket for all instances.
-- KEYS  1 the connection's record, 2 the tenant's index of connections, 3 the tenant's
--       event stream, 4-15 the device's key set (only for the socket of a device)
-- ARGV  1-5 the scope, 6 connection id, 7 ms of the lease, 8 the record, 9 ms that the
--       device counts as online after its end
-- Returns {"ok", events, newest id of the stream, order}: of two sockets of a device, the
--       newer one has the higher order
-- Refuses with unauthorized for a device that is disabled
-- Guarantees that the newest socket of a device is the one that counts. The instance that
-- serves an older one is woken, and learns it from its next renewal when the wake-up is
-- lost.
--@include store/base
--@include store/device
--@include store/reply
--@include store/wake
--@include device/presence
--@include connection
local record_key, index_key, stream_key, DEVICE = KEYS[1], KEYS[2], KEYS[3], 4
local id, lease, record = ARGV[6], tonumber(ARGV[7]), ARGV[8]
local order = 0

if KEYS[DEVICE] then
  local device, now = device_at(DEVICE, 1), clock()
  if is_disabled(device) then
    return refuse('unauthorized', 'device_inactive')
  end
  order = math.max(now, tonumber(redis.call('HGET', device.record, 'connected') or 0) + 1)
  redis.call('HSET', device.record, 'connected', ms(order))
  set_socket(device, now, id, lease)
  wake('socket', device.id, device.tenant, id)
end
register(record_key, index_key, id, record, lease)
local newest = redis.call('XREVRANGE', stream_key, '+', '-', 'COUNT', 1)[1]
return ok(newest and newest[1] or '0-0', ms(order))
