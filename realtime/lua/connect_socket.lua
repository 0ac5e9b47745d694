-- connect_socket registers a socket for all instances.
-- KEYS[1]      the connection's record
-- KEYS[2]      the tenant's index of connections
-- KEYS[3]      the tenant's event stream
-- KEYS[4..15]  the device's key set, as store.Device.Keys returns it; absent for a user
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      the id of the connection
-- ARGV[7]      length of the lease, in ms
-- ARGV[8]      the connection's record, as JSON
-- ARGV[9]      time for which a device stays online after its socket has closed, in ms
-- Returns {"ok", events, newest id of the stream, order}. The newer of a device's sockets has
--         the higher order.
-- Refuses with unauthorized if the device is disabled
-- Guarantees that a device's newest socket replaces its older socket. A wake-up notifies the
-- instance of the older socket. If the wake-up is lost, that instance detects the newer socket
-- when it renews the older one.
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
    return refuse('unauthorized')
  end
  order = math.max(now, tonumber(redis.call('HGET', device.record, 'connected') or 0) + 1)
  redis.call('HSET', device.record, 'connected', ms(order))
  set_socket(device, now, id, lease)
  wake('socket', device.id, device.tenant, id)
end
register(record_key, index_key, id, record, lease)
local newest = redis.call('XREVRANGE', stream_key, '+', '-', 'COUNT', 1)[1]
return ok(newest and newest[1] or '0-0', ms(order))
