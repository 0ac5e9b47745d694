-- update changes the name, the location and the tags of a device.
-- KEYS[1..13]  the device's key set, as store.Device.Keys returns it
-- KEYS[14...]  the tag indexes that the device leaves, then the tag indexes that it enters
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      the revision of the device's record when the caller read it
-- ARGV[7]      the name
-- ARGV[8]      the location
-- ARGV[9]      the tags, as JSON
-- ARGV[10]     the number of tag indexes that the device leaves
-- Returns {"ok", events, now, {field, value...} of the device's record}
-- Refuses with device_not_found, device_decommissioned; or with stale if the device was changed
--         since that revision
-- Guarantees that the tag indexes always agree with the record.
--@include store/base
--@include store/device
--@include store/reply
--@include in_service
--@include size
local device = device_at(1, 1)
local TAG_INDEXES = 14 -- index in KEYS of the first tag index
local revision, name, location, tags, leave = ARGV[6], ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10])
local now = clock()

local _, refused = in_service(device)
if refused then
  return refused
elseif redis.call('HGET', device.record, 'revision') ~= revision then
  return refuse('stale')
end

redis.call('HSET', device.record, 'name', name, 'location', location, 'tags', tags)
redis.call('HINCRBY', device.record, 'revision', 1)
recount(device)
for i = TAG_INDEXES, #KEYS do
  if i < TAG_INDEXES + leave then
    redis.call('ZREM', KEYS[i], device.id)
  else
    redis.call('ZADD', KEYS[i], 0, device.id)
  end
end
return ok(now, redis.call('HGETALL', device.record))
