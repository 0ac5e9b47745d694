-- settle_removal deletes a decommissioned device at the end of its retention, or at once.
-- KEYS[1..13]  the device's key set, as store.Device.Keys returns it
-- KEYS[14]     the tenant's devices
-- KEYS[15]     the tenant's decommissioned devices
-- KEYS[16]     the partition's index of tenants
-- KEYS[17]     the device's index of sessions
-- KEYS[18]     the list of the device's logins
-- KEYS[19...]  the indexes of the device's tags
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      "erase" to delete the device at once, with all that is kept of it
-- Returns {"ok", events, 1 when the device was deleted, number of fields of its commands that
--       were deleted with it}
-- Guarantees that the due member is removed or has a later time when the script returns, that
-- only a decommissioned device is deleted, and that the device stays as long as commands or
-- sessions of it are kept, unless it is erased. Records that have not ended by themselves, such as quarantined
-- ones, delay its end by one more retention, at least a day.
--@include store/base
--@include store/device
--@include store/due
--@include store/reply
--@include store/usage
local device = device_at(1, 1)
local devices_key, decommissioned_key, tenants_key, sessions_key, logins_key =
  KEYS[14], KEYS[15], KEYS[16], KEYS[17], KEYS[18]
local TAG_INDEXES = 19 -- index in KEYS of the first tag index
local now = clock()

-- MIN_DELAY is the minimum delay in ms by records that have not ended by themselves. The
-- leases of a command last at most half of it.
local MIN_DELAY = 24 * 3600 * 1000
-- RETRY is the maximum interval in ms between two checks whether such records are left.
local RETRY = 3600 * 1000

local tenant, status, since, added, freed =
  read_fields(device.record, 'tenant', 'status', 'decommissioned', 'bytes_added', 'bytes_freed')
if status and (status ~= 'decommissioned' or tenant ~= device.tenant) then
  remove_due(device, 'device', device.id)
  return ok(0, 0)
end

-- kept_until returns the time until which the device is kept at least.
local function kept_until(fields)
  local ends = tonumber(since or 0) + device.retention
  if ends > now or (fields == 0 and redis.call('ZCARD', sessions_key) == 0) then
    return ends
  end
  return math.min(now + math.min(RETRY, device.retention), ends + math.max(MIN_DELAY, device.retention))
end

local fields = redis.call('HLEN', device.commands)
local ends = kept_until(fields)
if ends > now and ARGV[6] ~= 'erase' then
  set_due(device, 'device', device.id, ends)
  return ok(0, 0)
end

count(device, 'storedBytes', tonumber(freed or 0) - tonumber(added or 0))
count(device, 'readyCommands', -redis.call('ZCARD', device.ready))
redis.call('UNLINK', device.record)
redis.call('UNLINK', device.commands)
redis.call('UNLINK', device.index)
redis.call('UNLINK', device.ready)
redis.call('UNLINK', device.pending)
redis.call('UNLINK', device.leases)
redis.call('UNLINK', device.cancels)
redis.call('UNLINK', device.timeline)
redis.call('UNLINK', sessions_key)
redis.call('UNLINK', logins_key)
for i = TAG_INDEXES, #KEYS do
  redis.call('ZREM', KEYS[i], device.id)
end
redis.call('ZREM', devices_key, device.id)
redis.call('ZREM', decommissioned_key, device.id)
remove_due(device, 'presence', device.id)
remove_due(device, 'device', device.id)
if redis.call('ZCARD', devices_key) == 0 then
  forget_counts(device)
  redis.call('ZREM', tenants_key, device.tenant)
end
return ok(1, fields)
