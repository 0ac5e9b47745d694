-- heartbeat records that a device is alive, and its own judgment of its state.
-- KEYS  1-13 the device's key set
-- ARGV  1-5 the scope, 6 the state that the device reports, 7 metrics (JSON), 8 firmware
--       version, "" when the device did not report it, 9 ms that the device counts as
--       online after this
-- Returns {"ok", events, now, length of the ready set, {ids of claimed commands that a user
--       has asked to cancel}}
-- Refuses with unauthorized
-- Guarantees that only an active device of the tenant writes anything.
--@include store/base
--@include store/device
--@include store/reply
--@include presence
local device = device_at(1, 1)
local reported_status, metrics, firmware, online_for = ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9])
local now = clock()

local tenant, status, connection_until = read_fields(device.record, 'tenant', 'status', 'connection_until')
if tenant ~= device.tenant or status ~= 'active' then
  return refuse('unauthorized')
end
redis.call('HSET', device.record, 'heartbeat', ms(now), 'heartbeat_status', reported_status, 'metrics', metrics)
-- The lease of a live socket decides how long its device is online.
local socket_until = tonumber(connection_until or 0)
mark_online(device, now, socket_until > now and socket_until or now + online_for)
if firmware ~= '' then
  redis.call('HSET', device.record, 'firmware', firmware)
end
return ok(now, redis.call('ZCARD', device.ready), redis.call('SMEMBERS', device.cancels))
