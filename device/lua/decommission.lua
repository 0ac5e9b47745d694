-- Takes a device out of service for good.
-- KEYS  1-12 the device's key set, 13-16 the tenant's devices that are provisioned,
--       active, suspended and decommissioned, 17 the tenant's external ids, 18 the
--       record of the device's session (only when it has one)
-- ARGV  1-5 the scope, 6 reason, 7 the session that KEYS[18] belongs to, or ""
-- Returns {"ok", events}, or {code}: device_not_found, or "stale" when the device's
--       session is not the one named
-- Guarantees that nothing of the device is delivered or accepted any more. What it
-- has claimed is left to its leases: only the device could tell what became of it.
--@include store/device
--@include store/event
--@include queue/command
--@include session/session
local device = device_at(1, 1)
local reason, session = ARGV[6], ARGV[7]
local now = clock()

local r = redis.call('HMGET', device.record, 'tenant', 'status', 'session', 'external_id')
if r[1] ~= device.tenant then
  return { 'device_not_found' }
elseif r[2] == 'decommissioned' then
  return { 'ok', '' }
elseif (r[3] or '') ~= session then
  return { 'stale' }
end

redis.call('HSET', device.record, 'status', 'decommissioned')
redis.call('HINCRBY', device.record, 'epoch', 1)
redis.call('HDEL', device.record, 'secret', 'activation', 'activation_until', 'activation_used')
for i = 13, 15 do
  redis.call('ZREM', KEYS[i], device.id)
end
redis.call('ZADD', KEYS[16], 0, device.id)
if r[4] and redis.call('HGET', KEYS[17], r[4]) == device.id then
  redis.call('HDEL', KEYS[17], r[4])
end
if session ~= '' then
  local s = redis.call('HMGET', KEYS[18], 'status', 'expires')
  if s[1] == 'active' then
    local ended = tonumber(s[2]) <= now and 'expired' or 'closed'
    end_session(device, KEYS[18], session, now, ended, { reason = 'device_decommissioned', commands = 'cancelled' })
  end
  redis.call('HDEL', device.record, 'session', 'session_until')
end
end_waiting(device, now, 'cancelled', { data = { reason = 'device_decommissioned' } })
emit(device, now, 'device.decommissioned', { data = reason ~= '' and { reason = reason } or nil })
return { 'ok', events() }
