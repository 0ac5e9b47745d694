-- connect_socket registers a socket for all instances.
-- KEYS[1]      the connection's record
-- KEYS[2]      the tenant's index of connections
-- KEYS[3]      the tenant's event stream
-- KEYS[4]      the tenant's leases of sockets
-- KEYS[5]      the tenant's usage record
-- KEYS[6..18]  the device's key set, as store.Device.Keys returns it; absent for a user
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      the id of the connection
-- ARGV[7]      length of the lease, in ms
-- ARGV[8]      the connection's record, as JSON
-- ARGV[9]      time for which a device stays online after its socket has closed, in ms
-- ARGV[10]     the installation's limit of sockets; 0 for none
-- Returns {"ok", events, newest id of the stream, order}. The newer of a device's sockets has
--         the higher order.
-- Refuses with unauthorized if the device is disabled; or with quota_exceeded, the quota and its
--         limit
-- Guarantees that a device's newest socket replaces its older socket. A wake-up notifies the
-- instance of the older socket. If the wake-up is lost, that instance detects the newer socket
-- when it renews the older one. A device at the quota may replace its socket, because the older
-- one no longer counts.
--@include store/base
--@include store/device
--@include store/reply
--@include store/usage
--@include store/wake
--@include device/presence
--@include connection
local record_key, index_key, stream_key, leases_key, usage_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local DEVICE = 6
local id, lease, record, max_sockets = ARGV[6], tonumber(ARGV[7]), ARGV[8], ARGV[10]
local order, now = 0, clock()
local device = KEYS[DEVICE] and device_at(DEVICE, 1)

if device and is_disabled(device) then
  return refuse('unauthorized', 'device_inactive')
end
local replaced = device and redis.call('HGET', device.record, 'connection')
local leaves = replaced and redis.call('ZSCORE', leases_key, replaced) and 1 or 0
local open = redis.call('ZCOUNT', leases_key, '(' .. ms(now), '+inf')
local refused = over_quota(usage_key, { { quota = 'sockets', n = 1 - leaves, limit = max_sockets, used = open } })
if refused then
  return refused
end

redis.call('ZREMRANGEBYSCORE', leases_key, '-inf', ms(now))
if device then
  if replaced then
    redis.call('ZREM', leases_key, replaced)
  end
  order = math.max(now, tonumber(redis.call('HGET', device.record, 'connected') or 0) + 1)
  redis.call('HSET', device.record, 'connected', ms(order))
  set_socket(device, now, id, lease)
  wake('socket', device.id, device.tenant, id)
end
register(record_key, index_key, leases_key, id, record, lease)
local newest = redis.call('XREVRANGE', stream_key, '+', '-', 'COUNT', 1)[1]
return ok(newest and newest[1] or '0-0', ms(order))
