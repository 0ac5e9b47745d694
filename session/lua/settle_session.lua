-- Brings a session whose moment has come to what time has made of it.
-- KEYS  1-12 the device's key set, 13 the session's record, 14 the tenant's index
--       of sessions, 15 the device's
-- ARGV  1-5 the scope, 6 session id
-- Returns {"ok", events}
-- Guarantees that the due member is gone or has a later moment when this returns.
--@include store/device
--@include store/event
--@include queue/command
--@include session
local device = device_at(1, 1)
local id, member = ARGV[6], due_member('session', ARGV[6], device)
local now = clock()

local s = redis.call('HMGET', KEYS[13], 'status', 'expires', 'closed')
local at = tonumber(s[2] or 0)
if s[1] and s[1] ~= 'active' then
  at = tonumber(s[3] or 0) + device.retention
end
if s[1] and at > now then
  redis.call('ZADD', device.due, ms(at), member)
elseif s[1] == 'active' then
  end_session(device, KEYS[13], id, now, 'expired', { actor = SYSTEM })
else
  -- The device is free of it already, unless its record was lost: then no other
  -- session could be opened on the device any more.
  if redis.call('HGET', device.record, 'session') == id then
    redis.call('HDEL', device.record, 'session', 'session_until')
  end
  redis.call('DEL', KEYS[13])
  redis.call('ZREM', KEYS[14], id)
  redis.call('ZREM', KEYS[15], id)
  redis.call('ZREM', device.due, member)
end
return { 'ok', events() }
