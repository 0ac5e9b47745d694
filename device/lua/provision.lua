-- provision adds a device to a tenant, together with the activation code for its registration.
-- KEYS[1..13]   the device's key set, as store.Device.Keys returns it
-- KEYS[14]      the tenant's devices
-- KEYS[15]      the tenant's provisioned devices
-- KEYS[16]      the tenant's external ids
-- KEYS[17]      the partition's index of tenants
-- KEYS[18]      the tenant's decommissioned devices
-- KEYS[19...]   the indexes of the device's tags
-- KEYS[last]    the stored reply; absent for a request without an Idempotency-Key
-- ARGV[1..5]    the scope, as store.Scope.Args returns it
-- ARGV[6..8]    the name, the external id and the location
-- ARGV[9]       the tags, as JSON
-- ARGV[10]      the number of tag indexes in KEYS
-- ARGV[11]      the hash of the activation code
-- ARGV[12]      the sealed code; empty for a request without an Idempotency-Key
-- ARGV[13]      lifetime of the code, in ms
-- ARGV[14]      the fingerprint of the request
-- ARGV[15]      lifetime of the stored reply, in ms
-- ARGV[16]      the installation's limit of devices; 0 for none
-- ARGV[17]      the installation's limit of stored bytes; 0 for none
-- ARGV[18]      the fingerprint of the request in earlier releases
-- Returns {"ok", events, device id, time of creation, sealed code, expiry of the code}
-- Refuses with idempotency_key_reused, external_id_taken; or with quota_exceeded, the quota and
--         its limit
-- Guarantees that two devices of the tenant never have the same external id, and that a repeated
-- request creates no second device.
--@creates
--@include store/base
--@include store/device
--@include store/idempotency
--@include store/reply
--@include size
local device = device_at(1, 1)
local TAG_INDEXES = 19 -- index in KEYS of the first tag index
local devices_key, provisioned_key, external_ids_key = KEYS[14], KEYS[15], KEYS[16]
local tenants_key, decommissioned_key = KEYS[17], KEYS[18]
local name, external_id, location, tags, tag_indexes = ARGV[6], ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10])
local code_hash, sealed_code, code_lifetime = ARGV[11], ARGV[12], tonumber(ARGV[13])
local memory_key, fingerprint, memory_ttl = KEYS[TAG_INDEXES + tag_indexes], ARGV[14], tonumber(ARGV[15])
local max_devices, max_bytes, earlier = ARGV[16], ARGV[17], ARGV[18]
local now = clock()

local answer, refused = recall(memory_key, fingerprint, earlier)
if refused then
  return refused
elseif answer then
  local first = cjson.decode(answer)
  return ok(first.id, first.created, first.code, first.good_until)
end
if external_id ~= '' and redis.call('HEXISTS', external_ids_key, external_id) == 1 then
  return refuse('external_id_taken')
end
local bytes = device_bytes(tags, name, external_id, location)
local in_use = redis.call('ZCARD', devices_key) - redis.call('ZCARD', decommissioned_key)
refused = over_quota(device.usage, {
  { quota = 'devices', n = 1, limit = max_devices, used = in_use },
  { quota = 'storedBytes', n = bytes, limit = max_bytes },
})
if refused then
  return refused
end

local valid_until = now + code_lifetime
redis.call('HSET', device.record, 'tenant', device.tenant, 'status', 'provisioned', 'created', ms(now),
  'name', name, 'external_id', external_id, 'location', location, 'tags', tags, 'revision', 0, 'epoch', 0,
  'activation', code_hash, 'activation_until', ms(valid_until), 'bytes', ms(bytes))
count_bytes(device, bytes)
redis.call('ZADD', tenants_key, 0, device.tenant)
redis.call('ZADD', devices_key, 0, device.id)
redis.call('ZADD', provisioned_key, 0, device.id)
if external_id ~= '' then
  redis.call('HSET', external_ids_key, external_id, device.id)
end
for i = TAG_INDEXES, TAG_INDEXES + tag_indexes - 1 do
  redis.call('ZADD', KEYS[i], 0, device.id)
end
remember(memory_key, fingerprint, {
  id = device.id, created = now, code = sealed_code, good_until = valid_until,
}, memory_ttl)
return ok(device.id, now, sealed_code, valid_until)
