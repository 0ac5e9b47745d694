-- update changes the name, the location and the tags of a device.
-- KEYS  1-13 the device's key set, 14... the tag indexes to leave, then those to enter
-- ARGV  1-5 the scope, 6 the revision that the change is based on, 7 name, 8 location,
--       9 tags (JSON), 10 how many tag indexes to leave
-- Returns {"ok", events, now, {name, value...}}
-- Refuses with device_not_found, device_decommissioned; stale when the device was changed
--       since that revision
-- Guarantees that the tag indexes always agree with the record.
--@include store/base
--@include store/device
--@include store/reply
--@include in_service
--@include size
local device = device_at(1, 1)
local TAG_INDEXES = 14 -- where the tag indexes begin in KEYS
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
