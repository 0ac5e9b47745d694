-- connect_socket registers a socket for all instances.
-- KEYS  1 the connection's record, 2 the tenant's index of connections, 3 the tenant's
--       event stream, 4 the tenant's leases of sockets, 5 its usage record, 6-18 the
--       device's key set (only for the socket of a device)
-- ARGV  1-5 the scope, 6 connection id, 7 ms of the lease, 8 the record, 9 ms that the
--       device counts as online after its end, 10 the installation's limit of sockets, 0 for
--       none
-- Returns {"ok", events, newest id of the stream, order}: of two sockets of a device, the
--       newer one has the higher order
-- Refuses with unauthorized for a device that is disabled; quota_exceeded with the quota and
--       its limit
-- Guarantees that the newest socket of a device is the one that counts. A device at the quota
-- may replace its socket, because the older one no longer counts. The instance that
-- serves an older one is woken, and learns it from its next renewal when the wake-up is
-- lost.
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
  return refuse('unauthorized')
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
