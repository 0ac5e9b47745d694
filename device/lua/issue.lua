-- Puts a new activation code in force.
-- KEYS  1-12 the device's key set, 13 the memory of the Idempotency-Key (only when
--       there is one)
-- ARGV  1-5 the scope, 6 hash of the code, 7 the code sealed, 8 ms for which it is
--       good, 9 fingerprint of the request, 10 ms to remember the answer
-- Returns {"ok", events, code sealed, code good until}, or {code}:
--       device_not_found, device_decommissioned, idempotency_key_reused
-- Guarantees that a device has one code at most: the one before is dead.
--@include store/device
--@include store/event
--@include store/idempotency
local device = device_at(1, 1)
local now = clock()

local r = redis.call('HMGET', device.record, 'tenant', 'status')
if r[1] ~= device.tenant then
  return { 'device_not_found' }
elseif r[2] == 'decommissioned' then
  return { 'device_decommissioned' }
end
local said = recall(KEYS[13], ARGV[9])
if said == 'reused' then
  return { 'idempotency_key_reused' }
elseif said then
  local first = cjson.decode(said)
  return { 'ok', '', first.code, first.good_until }
end

local good_until = now + tonumber(ARGV[8])
redis.call('HSET', device.record, 'activation', ARGV[6], 'activation_until', ms(good_until))
redis.call('HDEL', device.record, 'activation_used')
remember(KEYS[13], ARGV[9], cjson.encode({ code = ARGV[7], good_until = good_until }), tonumber(ARGV[10]))
return { 'ok', events(), ARGV[7], good_until }
