-- Adds a device to the fleet, with the code that it registers with.
-- KEYS  1-12 the device's key set, 13 the tenant's devices, 14 those of them that
--       are provisioned, 15 the tenant's external ids, 16... the indexes of the
--       device's tags, and last the memory of the Idempotency-Key (only when
--       there is one)
-- ARGV  1-5 the scope, 6 name, 7 external id, 8 location, 9 tags (JSON), 10 how
--       many indexes the tags have, 11 hash of the activation code, 12 the code
--       sealed, 13 ms for which it is good, 14 fingerprint of the request, 15 ms
--       to remember the answer
-- Returns {"ok", events, id, created, code sealed, code good until}, or {code}:
--       external_id_taken, idempotency_key_reused
-- Guarantees that an external id belongs to one device of the tenant, and that a
-- repeated request makes no second device.
--@include store/device
--@include store/event
--@include store/idempotency
local device = device_at(1, 1)
local external, indexes = ARGV[7], tonumber(ARGV[10])
local memory = KEYS[16 + indexes]
local now = clock()

local said = recall(memory, ARGV[14])
if said == 'reused' then
  return { 'idempotency_key_reused' }
elseif said then
  local first = cjson.decode(said)
  return { 'ok', '', first.id, first.created, first.code, first.good_until }
end
if external ~= '' and redis.call('HEXISTS', KEYS[15], external) == 1 then
  return { 'external_id_taken' }
end

local good_until = now + tonumber(ARGV[13])
redis.call('HSET', device.record, 'tenant', device.tenant, 'status', 'provisioned', 'created', ms(now),
  'name', ARGV[6], 'external_id', external, 'location', ARGV[8], 'tags', ARGV[9], 'revision', 0, 'epoch', 0,
  'activation', ARGV[11], 'activation_until', ms(good_until))
redis.call('ZADD', KEYS[13], 0, device.id)
redis.call('ZADD', KEYS[14], 0, device.id)
if external ~= '' then
  redis.call('HSET', KEYS[15], external, device.id)
end
for i = 16, 15 + indexes do
  redis.call('ZADD', KEYS[i], 0, device.id)
end
remember(memory, ARGV[14], cjson.encode({
  id = device.id, created = now, code = ARGV[12], good_until = good_until,
}), tonumber(ARGV[15]))
return { 'ok', events(), device.id, now, ARGV[12], good_until }
