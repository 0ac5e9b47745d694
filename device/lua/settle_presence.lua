-- Announces that a device is not there any more, once it is not.
-- KEYS  1-12 the device's key set
-- ARGV  1-5 the scope, 6 ms of silence after which a device that is not online is
--       offline
-- Returns {"ok", events}
-- Guarantees that the due member is gone or has a later moment when this returns,
-- and that each change is announced once.
--@include store/device
--@include store/event
local device, now = device_at(1, 1), clock()
local member = 'presence ' .. device.id .. ' ' .. device.id .. ' ' .. device.tenant

local r = redis.call('HMGET', device.record, 'tenant', 'last_seen', 'online_until', 'presence', 'status')
local online_until, offline_from = tonumber(r[3] or 0), tonumber(r[2] or 0) + tonumber(ARGV[6])
local presence, again = 'offline', nil
if r[5] == 'active' and online_until > now then
  presence, again = 'online', online_until
elseif r[5] == 'active' and offline_from > now then
  presence, again = 'stale', offline_from
end
if again then
  redis.call('ZADD', device.due, ms(again), member)
else
  redis.call('ZREM', device.due, member)
end
if r[1] and r[4] ~= presence then
  redis.call('HSET', device.record, 'presence', presence)
  emit(device, now, 'device.presence', { actor = 'system', data = { presence = presence } })
end
return { 'ok', events() }
