-- close_session closes a session and ends its commands that are not claimed.
-- KEYS[1..13]  the device's key set
-- KEYS[14]     the session's record
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      session id
-- ARGV[7]      reason
-- Returns {"ok", events, {name, value...}}
-- Refuses with session_not_found
-- Guarantees that a session ends only once. Closing a session that has ended changes
-- nothing. A session whose time has passed ends with the status expired, not closed.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include session
local device = device_at(1, 1)
local session_key = KEYS[14]
local id, reason = ARGV[6], ARGV[7]
local now = clock()

local tenant, status, expires = read_fields(session_key, 'tenant', 'status', 'expires')
if tenant ~= device.tenant then
  return refuse('session_not_found')
end
if status == 'active' and tonumber(expires) <= now then
  end_session(device, session_key, id, now, 'expired', { actor = SYSTEM })
elseif status == 'active' then
  end_session(device, session_key, id, now, 'closed', { reason = reason })
end
return ok(redis.call('HGETALL', session_key))
