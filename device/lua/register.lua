-- register exchanges an activation code for a device secret.
-- KEYS[1..13]  the device's key set, as store.Device.Keys returns it
-- KEYS[14]     the tenant's provisioned devices
-- KEYS[15]     the tenant's active devices
-- KEYS[16]     the stored reply; absent for a request without an Idempotency-Key
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      the hash of the code
-- ARGV[7]      the hash of the secret
-- ARGV[8]      the sealed secret; empty for a request without an Idempotency-Key
-- ARGV[9]      the metadata, as JSON
-- ARGV[10]     the model
-- ARGV[11]     the firmware version
-- ARGV[12]     the address of the device
-- ARGV[13]     the fingerprint of the request
-- ARGV[14]     lifetime of the stored reply until the device logs in, in ms
-- ARGV[15]     the digest of the Idempotency-Key; empty for a request without one
-- ARGV[16]     the fingerprint of the request in earlier releases
-- Returns {"ok", events, sealed secret, time of the first registration, time for which the request can be
--         repeated, in ms}
-- Refuses with idempotency_key_reused, or with invalid_activation_code and the reason for the
--         log
-- Guarantees that a code yields only one secret, even if several devices send the code at the
-- same time. Logins opened with an earlier secret end. A repeated request gets the stored reply until
-- the device logs in, and for a while afterwards, unless the device has a newer code.
--@include store/base
--@include store/device
--@include store/event
--@include store/idempotency
--@include store/reply
--@include instances
--@include size
local device = device_at(1, 1)
local provisioned_key, active_key, memory_key = KEYS[14], KEYS[15], KEYS[16]
local code_hash, secret_hash, sealed_secret = ARGV[6], ARGV[7], ARGV[8]
local metadata, model, firmware, address = ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local fingerprint, memory_ttl, key_digest, earlier = ARGV[13], tonumber(ARGV[14]), ARGV[15], ARGV[16]
local now = clock()

-- optional returns text, or nil if text is empty, so that an event omits empty values.
local function optional(text)
  return text ~= '' and text or nil
end

local tenant, status, activation, activation_until, activation_used, registered = read_fields(device.record,
  'tenant', 'status', 'activation', 'activation_until', 'activation_used', 'registered')
if tenant ~= device.tenant or status == 'decommissioned' or activation ~= code_hash then
  return refuse('invalid_activation_code', 'replaced')
end
local answer, refused = recall(memory_key, fingerprint, earlier)
if refused then
  return refused
elseif answer then
  local first = cjson.decode(answer)
  return ok(first.secret, first.registered, redis.call('PTTL', memory_key))
elseif activation_used then
  return refuse('invalid_activation_code', 'used')
elseif tonumber(activation_until) <= now then
  return refuse('invalid_activation_code', 'expired')
end

registered = tonumber(registered or now)
redis.call('HSET', device.record, 'secret', secret_hash, 'activation_used', ms(now), 'registered', ms(registered),
  'metadata', metadata, 'model', model, 'firmware', firmware, 'last_seen', ms(now))
if memory_key then
  redis.call('HSET', device.record, 'registration', key_digest)
else
  redis.call('HDEL', device.record, 'registration')
end
forget_instances(device)
recount(device)
redis.call('HINCRBY', device.record, 'epoch', 1)
if status == 'provisioned' then
  redis.call('HSET', device.record, 'status', 'active')
  redis.call('ZREM', provisioned_key, device.id)
  redis.call('ZADD', active_key, 0, device.id)
end
remember(memory_key, fingerprint, { secret = sealed_secret, registered = registered }, memory_ttl)
emit(device, now, 'device.registered', {
  data = { model = optional(model), firmwareVersion = optional(firmware), address = optional(address) },
})
return ok(sealed_secret, registered, memory_ttl)
