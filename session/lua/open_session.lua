-- open_session opens a support session on a device.
-- KEYS[1..13]  the device's key set
-- KEYS[14]     the session's record
-- KEYS[15]     the tenant's index of sessions
-- KEYS[16]     the device's index of sessions
-- KEYS[17]     the partition's index of tenants
-- KEYS[18]     the stored answer; only with an Idempotency-Key
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      session id
-- ARGV[7]      type
-- ARGV[8]      description
-- ARGV[9]      time until the session expires, in ms
-- ARGV[10]     fingerprint of the request
-- ARGV[11]     time for which the answer is stored, in ms
-- ARGV[12]     the installation's limit of open sessions; 0 for none
-- ARGV[13]     the installation's limit of stored bytes; 0 for none
-- ARGV[14]     fingerprint of the request in earlier releases
-- Returns {"ok", events, session id, {name, value...}}
-- Refuses with idempotency_key_reused, device_not_found, device_not_active, quota_exceeded with
--       the quota and its limit, or session_active with the id of the active session; stale
--       with the id of a session that has expired and must be settled first
-- Guarantees that a device has at most one active session.
--@creates
--@include store/base
--@include store/device
--@include store/due
--@include store/event
--@include store/idempotency
--@include store/reply
--@include store/usage
local device = device_at(1, 1)
local session_key, tenant_index_key, device_index_key = KEYS[14], KEYS[15], KEYS[16]
local tenants_key, memory_key = KEYS[17], KEYS[18]
local id, type, description, lifetime = ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9])
local fingerprint, memory_ttl = ARGV[10], tonumber(ARGV[11])
local max_open, max_bytes, earlier = ARGV[12], ARGV[13], ARGV[14]
local now = clock()

-- SESSION_BYTES is the number of bytes that a session counts besides its description. It
-- stands for the record, the entries in indexes and the remembered answer.
local SESSION_BYTES = 1024

local answer, refused = recall(memory_key, fingerprint, earlier)
if refused then
  return refused
elseif answer then
  local first = cjson.decode(answer)
  return ok(first.id, first.record)
end

local tenant, status, session, session_until =
  read_fields(device.record, 'tenant', 'status', 'session', 'session_until')
if tenant ~= device.tenant then
  return refuse('device_not_found')
elseif status ~= 'active' then
  return refuse('device_not_active')
elseif session and session ~= '' then
  if tonumber(session_until or 0) > now then
    return refuse('session_active', session)
  end
  return refuse('stale', session)
end
local bytes = SESSION_BYTES + #description
refused = over_quota(device.usage, {
  { quota = 'openSessions', n = 1, limit = max_open },
  { quota = 'storedBytes', n = bytes, limit = max_bytes },
})
if refused then
  return refused
end

local expires = now + lifetime
redis.call('HSET', session_key, 'tenant', device.tenant, 'device', device.id, 'type', type, 'status', 'active',
  'description', description, 'created_by', device.actor, 'created_name', device.actor_name or '',
  'created_email', device.actor_email or '', 'request', device.request,
  'created', ms(now), 'expires', ms(expires), 'bytes', ms(bytes))
count(device, 'openSessions', 1)
count_bytes(device, bytes)
redis.call('HSET', device.record, 'session', id, 'session_until', ms(expires))
redis.call('ZADD', tenant_index_key, 0, id)
redis.call('ZADD', device_index_key, 0, id)
redis.call('ZADD', tenants_key, 0, device.tenant)
set_due(device, 'session', id, expires)
emit(device, now, 'session.opened', { session = id, data = { type = type } })
local record = redis.call('HGETALL', session_key)
remember(memory_key, fingerprint, { id = id, record = record }, memory_ttl)
return ok(id, record)
