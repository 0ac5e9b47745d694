-- Closes a session, with all that waits in it.
-- KEYS  1-12 the device's key set, 13 the session's record
-- ARGV  1-5 the scope, 6 session id, 7 reason
-- Returns {"ok", events, {name, value...}} or {"session_not_found"}
-- Guarantees that a session ends once: closing one that has ended changes nothing,
-- and one whose time is over has expired, whoever closes it.
--@include store/device
--@include store/event
--@include queue/command
--@include session
local device = device_at(1, 1)
local now = clock()

local s = redis.call('HMGET', KEYS[13], 'tenant', 'status', 'expires')
if s[1] ~= device.tenant then
  return { 'session_not_found' }
end
if s[2] == 'active' and tonumber(s[3]) <= now then
  end_session(device, KEYS[13], ARGV[6], now, 'expired', { actor = SYSTEM })
elseif s[2] == 'active' then
  end_session(device, KEYS[13], ARGV[6], now, 'closed', { reason = ARGV[7] })
end
return { 'ok', events(), redis.call('HGETALL', KEYS[13]) }
