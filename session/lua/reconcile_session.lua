-- Compares a session with its device and its indexes, and mends what is not so.
-- KEYS  1-12 the device's key set, 13 the session's record, 14 the tenant's index
--       of sessions, 15 the device's
-- ARGV  1-5 the scope, 6 session id
-- Returns {"ok", events, {what was found}}
-- Guarantees that the session's record decides, that a device is never kept by a
-- session that is no more, and that nothing is found where nothing is wrong.
--@include store/device
--@include store/event
--@include queue/command
local device = device_at(1, 1)
local id = ARGV[6]
local now = clock()
local found = {}

local function note(damage)
  found[#found + 1] = damage
end

local function list(key, name)
  if redis.call('ZADD', key, 0, id) == 1 then
    note('missing ' .. name)
  end
end

local function unlist(key, name)
  if redis.call('ZREM', key, id) == 1 then
    note('left ' .. name)
  end
end

local function due_by(moment)
  local member = due_member('session', id, device)
  local there = redis.call('ZSCORE', device.due, member)
  if not there or (tonumber(there) or math.huge) > moment then
    redis.call('ZADD', device.due, ms(moment), member)
    note((there and 'misplaced' or 'missing') .. ' due')
  end
end

-- Has an active session be the device's, unless another is: then this one is over.
local function hold(r, expires)
  if r[1] ~= 'active' and r[1] ~= 'suspended' then
    return
  elseif not r[2] or r[2] == '' then
    redis.call('HSET', device.record, 'session', id, 'session_until', ms(expires))
    note('missing device')
  elseif r[2] ~= id then
    redis.call('HSET', KEYS[13], 'status', 'expired', 'closed', ms(now), 'closed_by', SYSTEM)
    redis.call('ZADD', device.due, ms(now + device.retention), due_member('session', id, device))
    emit(device, now, 'session.expired', { session = id, actor = SYSTEM })
    note('second session')
  elseif tonumber(r[3]) ~= expires then
    redis.call('HSET', device.record, 'session_until', ms(expires))
    note('misplaced device')
  end
end

local s = redis.call('HMGET', KEYS[13], 'tenant', 'status', 'expires', 'closed', 'device')
local r = redis.call('HMGET', device.record, 'status', 'session', 'session_until')
local expires, closed = tonumber(s[3]), tonumber(s[4])
local ours = s[1] == device.tenant and s[5] == device.id
if ours then
  list(KEYS[14], 'tenant')
  list(KEYS[15], 'sessions')
else
  unlist(KEYS[14], 'tenant')
  unlist(KEYS[15], 'sessions')
end
if ours and s[2] == 'active' and expires then
  due_by(expires)
  hold(r, expires)
else
  if r[2] == id then
    redis.call('HDEL', device.record, 'session', 'session_until')
    note('left device')
  end
  if ours then
    due_by((closed or now) + device.retention)
  end
end
return { 'ok', events(), found }
