-- Exchanges an activation code for a secret.
-- KEYS  1-12 the device's key set, 13 the tenant's provisioned devices, 14 its
--       active ones, 15 the memory of the Idempotency-Key (only when there is one)
-- ARGV  1-5 the scope, 6 hash of the code, 7 hash of the secret, 8 the secret
--       sealed, 9 metadata (JSON), 10 model, 11 firmware version, 12 address,
--       13 fingerprint of the request, 14 ms in which it may be repeated
-- Returns {"ok", events, secret sealed, registered}, or {code, "", why}:
--       invalid_activation_code, idempotency_key_reused
-- Guarantees that a code gives one secret, whoever comes at the same time; that
-- logins made with the secret before it are over; and that a repeated request
-- gives the same secret as long as its code is the device's newest.
--@include store/device
--@include store/event
--@include store/idempotency
local device = device_at(1, 1)
local now = clock()

local function known(text)
  return text ~= '' and text or nil
end

local r = redis.call('HMGET', device.record,
  'tenant', 'status', 'activation', 'activation_until', 'activation_used', 'registered')
if r[1] ~= device.tenant or r[2] == 'decommissioned' or r[3] ~= ARGV[6] then
  return { 'invalid_activation_code', '', 'dead' }
end
local said = recall(KEYS[15], ARGV[13])
if said == 'reused' then
  return { 'idempotency_key_reused' }
elseif said then
  local first = cjson.decode(said)
  return { 'ok', '', first.secret, first.registered }
elseif r[5] then
  return { 'invalid_activation_code', '', 'used' }
elseif tonumber(r[4]) <= now then
  return { 'invalid_activation_code', '', 'expired' }
end

local registered = tonumber(r[6] or now)
redis.call('HSET', device.record, 'secret', ARGV[7], 'activation_used', ms(now), 'registered', ms(registered),
  'metadata', ARGV[9], 'model', ARGV[10], 'firmware', ARGV[11], 'last_seen', ms(now))
redis.call('HINCRBY', device.record, 'epoch', 1)
if r[2] == 'provisioned' then
  redis.call('HSET', device.record, 'status', 'active')
  redis.call('ZREM', KEYS[13], device.id)
  redis.call('ZADD', KEYS[14], 0, device.id)
end
remember(KEYS[15], ARGV[13], cjson.encode({ secret = ARGV[8], registered = registered }), tonumber(ARGV[14]))
emit(device, now, 'device.registered', {
  data = { model = known(ARGV[10]), firmwareVersion = known(ARGV[11]), address = known(ARGV[12]) },
})
return { 'ok', events(), ARGV[8], registered }
