-- update changes the name, the location and the tags of a device.
-- KEYS[1..13]  the device's key set, as store.Device.Keys returns it
-- KEYS[14...]  the tag indexes that the device leaves, then the tag indexes that it enters
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      the revision of the device's record when the caller read it
-- ARGV[7]      the name
-- ARGV[8]      the location
-- ARGV[9]      the tags, as JSON
-- ARGV[10]     the number of tag indexes that the device leaves
-- ARGV[11]     the installation's quota of stored bytes; 0 for none
-- Returns {"ok", events, now, {field, value...} of the device's record}
-- Refuses with device_not_found, device_decommissioned, quota_exceeded; or with stale if the device
--         was changed since that revision
-- Guarantees that the tag indexes always agree with the record, and that there is an event if and only if
--         something has changed.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include in_service
--@include size
local device = device_at(1, 1)
local TAG_INDEXES = 14 -- index in KEYS of the first tag index
local revision, name, location, tags, leave = ARGV[6], ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10])
local max_bytes = ARGV[11]
local now = clock()

local _, refused = in_service(device)
if refused then
  return refused
elseif redis.call('HGET', device.record, 'revision') ~= revision then
  return refuse('stale')
end

-- A device of an earlier version has counted nothing yet, and is not refused for what it has.
local counted, external_id, metadata = read_fields(device.record, 'bytes', 'external_id', 'metadata')
local bytes = device_bytes(tags, name, external_id or '', location, metadata or '')
local growth = counted and math.max(0, bytes - tonumber(counted)) or 0
refused = over_quota(device.usage, { { quota = 'storedBytes', n = growth, limit = max_bytes } })
if refused then
  return refused
end

local changed = {}
local before = { read_fields(device.record, 'name', 'location', 'tags') }
for i, field in ipairs({ { 'name', name }, { 'location', location }, { 'tags', tags } }) do
  if (before[i] or '') ~= field[2] then
    changed[#changed + 1] = field[1]
  end
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
if #changed > 0 then
  emit(device, now, 'device.updated', { data = { changed = changed, name = changed[1] == 'name' and name or nil } })
end
return ok(now, redis.call('HGETALL', device.record))
