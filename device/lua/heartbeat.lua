-- Notes that a device is alive and how it does.
-- KEYS  1-12 the device's key set
-- ARGV  1-5 the scope, 6 how the device judges its state, 7 metrics (JSON),
--       8 firmware version, or "" when it did not say, 9 ms for which the device
--       counts as online after this
-- Returns {"ok", events, now, how many commands it could claim, {commands that
--       somebody wants cancelled}}, or {"unauthorized"}
-- Guarantees that only an active device of the tenant leaves a trace.
--@include store/device
--@include store/event
--@include presence
local device = device_at(1, 1)
local now = clock()

local r = redis.call('HMGET', device.record, 'tenant', 'status')
if r[1] ~= device.tenant or r[2] ~= 'active' then
  return { 'unauthorized' }
end
redis.call('HSET', device.record, 'heartbeat', ms(now), 'heartbeat_status', ARGV[6], 'metrics', ARGV[7])
local until_ms = tonumber(redis.call('HGET', device.record, 'connection_until') or 0)
-- While a socket of the device lives, that is what counts.
seen(device, now, until_ms > now and until_ms or now + tonumber(ARGV[9]))
if ARGV[8] ~= '' then
  redis.call('HSET', device.record, 'firmware', ARGV[8])
end
return { 'ok', events(), now, redis.call('ZCARD', device.ready), redis.call('SMEMBERS', device.cancels) }
