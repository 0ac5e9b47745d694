-- Opens a support session on a device.
-- KEYS  1-12 the device's key set, 13 the session's record, 14 the tenant's index
--       of sessions, 15 the device's, 16 the partition's index of tenants, 17 the
--       memory of the Idempotency-Key (only when there is one)
-- ARGV  1-5 the scope, 6 session id, 7 type, 8 description, 9 ms it may last,
--       10 fingerprint of the request, 11 ms to remember the answer
-- Returns {"ok", events, id, {name, value...}}, or {code, events, session id}:
--       device_not_found, device_not_active, session_active,
--       idempotency_key_reused, or "stale" when the session in the way is over
--       and only has not been ended yet
-- Guarantees that a device has one active session at most.
--@include store/device
--@include store/event
--@include store/idempotency
--@include queue/command
local device = device_at(1, 1)
local id = ARGV[6]
local now = clock()

local said = recall(KEYS[17], ARGV[10])
if said == 'reused' then
  return { 'idempotency_key_reused' }
elseif said then
  local first = cjson.decode(said)
  return { 'ok', '', first.id, first.record }
end

local r = redis.call('HMGET', device.record, 'tenant', 'status', 'session', 'session_until')
if r[1] ~= device.tenant then
  return { 'device_not_found' }
elseif r[2] ~= 'active' then
  return { 'device_not_active' }
elseif r[3] and r[3] ~= '' then
  return { tonumber(r[4] or 0) > now and 'session_active' or 'stale', '', r[3] }
end

local expires = now + tonumber(ARGV[9])
redis.call('HSET', KEYS[13], 'tenant', device.tenant, 'device', device.id, 'type', ARGV[7], 'status', 'active',
  'description', ARGV[8], 'created_by', device.actor, 'request', device.request,
  'created', ms(now), 'expires', ms(expires))
redis.call('HSET', device.record, 'session', id, 'session_until', ms(expires))
redis.call('ZADD', KEYS[14], 0, id)
redis.call('ZADD', KEYS[15], 0, id)
redis.call('ZADD', KEYS[16], 0, device.tenant)
redis.call('ZADD', device.due, ms(expires), due_member('session', id, device))
emit(device, now, 'session.opened', { session = id, data = { type = ARGV[7] } })
local record = redis.call('HGETALL', KEYS[13])
remember(KEYS[17], ARGV[10], cjson.encode({ id = id, record = record }), tonumber(ARGV[11]))
return { 'ok', events(), id, record }
