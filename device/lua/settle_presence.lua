-- settle_presence announces that a device has become stale or offline.
-- KEYS[1..13]  the device's key set, as store.Device.Keys returns it
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      time after the last request at which a device becomes offline, in ms
-- Returns {"ok", events}
-- Guarantees that the script removes the due member or moves it to a later time. Each change is
-- announced once.
--@include store/base
--@include store/device
--@include store/due
--@include store/event
--@include store/reply
local device = device_at(1, 1)
local offline_after = tonumber(ARGV[6])
local now = clock()

local tenant, last_seen, online_until, announced, status =
  read_fields(device.record, 'tenant', 'last_seen', 'online_until', 'presence', 'status')
online_until = tonumber(online_until or 0)
local stale_until = tonumber(last_seen or 0) + offline_after

local presence, ends = 'offline', nil
if status == 'active' and online_until > now then
  presence, ends = 'online', online_until
elseif status == 'active' and stale_until > now then
  presence, ends = 'stale', stale_until
end
if ends then
  set_due(device, 'presence', device.id, ends)
else
  remove_due(device, 'presence', device.id)
end
if tenant and announced ~= presence then
  redis.call('HSET', device.record, 'presence', presence)
  emit(device, now, 'device.presence', { actor = SYSTEM, data = { presence = presence } })
end
return ok()
