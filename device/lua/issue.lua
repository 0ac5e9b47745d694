-- issue gives a device a new activation code.
-- KEYS  1-13 the device's key set, 14 the remembered answer (only with an
--       Idempotency-Key)
-- ARGV  1-5 the scope, 6 hash of the code, 7 the sealed code, 8 ms that it is valid,
--       9 fingerprint of the request, 10 ms to remember the answer
-- Returns {"ok", events, sealed code, end of the code's validity}
-- Refuses with device_not_found, device_decommissioned, idempotency_key_reused
-- Guarantees that a device has at most one code: the previous one becomes invalid.
--@creates
--@include store/base
--@include store/device
--@include store/idempotency
--@include store/reply
--@include in_service
local device = device_at(1, 1)
local memory_key = KEYS[14]
local code_hash, sealed_code, lifetime = ARGV[6], ARGV[7], tonumber(ARGV[8])
local fingerprint, memory_ttl = ARGV[9], tonumber(ARGV[10])
local now = clock()

local _, refused = in_service(device)
if refused then
  return refused
end
local answer
answer, refused = recall(memory_key, fingerprint)
if refused then
  return refused
elseif answer then
  local first = cjson.decode(answer)
  return ok(first.code, first.good_until)
end

local valid_until = now + lifetime
redis.call('HSET', device.record, 'activation', code_hash, 'activation_until', ms(valid_until))
redis.call('HDEL', device.record, 'activation_used')
remember(memory_key, fingerprint, cjson.encode({ code = sealed_code, good_until = valid_until }), memory_ttl)
return ok(sealed_code, valid_until)
