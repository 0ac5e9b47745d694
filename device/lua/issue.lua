-- issue creates a new activation code for a device.
-- KEYS[1..13]  the device's key set, as store.Device.Keys returns it
-- KEYS[14]     the stored reply; absent for a request without an Idempotency-Key
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      the hash of the code
-- ARGV[7]      the sealed code; empty for a request without an Idempotency-Key
-- ARGV[8]      lifetime of the code, in ms
-- ARGV[9]      the fingerprint of the request
-- ARGV[10]     lifetime of the stored reply, in ms
-- ARGV[11]     the fingerprint of the request in earlier releases
-- Returns {"ok", events, sealed code, expiry of the code, hash of the code that is invalid from now on, digest of
--         the Idempotency-Key of the registration whose stored reply is invalid}; the last two may be empty
-- Refuses with device_not_found, device_decommissioned, idempotency_key_reused
-- Guarantees that a device has at most one code. A new code invalidates the previous one.
--@creates
--@include store/base
--@include store/device
--@include store/idempotency
--@include store/reply
--@include in_service
local device = device_at(1, 1)
local memory_key = KEYS[14]
local code_hash, sealed_code, lifetime = ARGV[6], ARGV[7], tonumber(ARGV[8])
local fingerprint, memory_ttl, earlier = ARGV[9], tonumber(ARGV[10]), ARGV[11]
local now = clock()

local _, refused = in_service(device)
if refused then
  return refused
end
local answer
answer, refused = recall(memory_key, fingerprint, earlier)
if refused then
  return refused
elseif answer then
  local first = cjson.decode(answer)
  return ok(first.code, first.good_until, '', '')
end

local replaced, registration = read_fields(device.record, 'activation', 'registration')
local valid_until = now + lifetime
redis.call('HSET', device.record, 'activation', code_hash, 'activation_until', ms(valid_until))
redis.call('HDEL', device.record, 'activation_used')
remember(memory_key, fingerprint, { code = sealed_code, good_until = valid_until }, memory_ttl)
return ok(sealed_code, valid_until, replaced or '', registration or '')
