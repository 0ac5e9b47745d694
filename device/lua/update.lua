-- Changes how a device is described.
-- KEYS  1-12 the device's key set, 13... the tag indexes that it leaves, then those
--       that it enters
-- ARGV  1-5 the scope, 6 the revision that the change is based on, 7 name,
--       8 location, 9 tags (JSON), 10 how many tag indexes it leaves
-- Returns {"ok", events, now, {name, value...}}, or {code}: device_not_found,
--       device_decommissioned, or "stale" when another change came in between
-- Guarantees that the tag indexes always say what the record says.
--@include store/device
local device = device_at(1, 1)
local left = tonumber(ARGV[10])
local now = clock()

local r = redis.call('HMGET', device.record, 'tenant', 'status', 'revision')
if r[1] ~= device.tenant then
  return { 'device_not_found' }
elseif r[2] == 'decommissioned' then
  return { 'device_decommissioned' }
elseif r[3] ~= ARGV[6] then
  return { 'stale' }
end

redis.call('HSET', device.record, 'name', ARGV[7], 'location', ARGV[8], 'tags', ARGV[9])
redis.call('HINCRBY', device.record, 'revision', 1)
for i = 13, #KEYS do
  if i < 13 + left then
    redis.call('ZREM', KEYS[i], device.id)
  else
    redis.call('ZADD', KEYS[i], 0, device.id)
  end
end
return { 'ok', '', now, redis.call('HGETALL', device.record) }
