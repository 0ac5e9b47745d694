-- settle_session expires a session whose time has passed, and deletes a session whose
-- retention has ended.
-- KEYS[1..13]  the device's key set
-- KEYS[14]     the session's record
-- KEYS[15]     the tenant's index of sessions
-- KEYS[16]     the device's index of sessions
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      session id
-- Returns {"ok", events}
-- Guarantees that the due member is removed or has a later time when the script returns.
--@include store/base
--@include store/device
--@include store/due
--@include store/event
--@include store/reply
--@include session
local device = device_at(1, 1)
local session_key, tenant_index_key, device_index_key = KEYS[14], KEYS[15], KEYS[16]
local id = ARGV[6]
local now = clock()

-- forget deletes a session at the end of its retention, and frees the bytes that it counts.
local function forget(bytes)
  -- Normally the device's record no longer names this session. If the session's record was
  -- lost, the device's record still names the session, which would block any new session.
  free_device(device, id)
  redis.call('DEL', session_key)
  redis.call('ZREM', tenant_index_key, id)
  redis.call('ZREM', device_index_key, id)
  remove_due(device, 'session', id)
  count_bytes(device, -bytes)
end

local status, expires, closed, bytes = read_fields(session_key, 'status', 'expires', 'closed', 'bytes')
local due = tonumber(expires or 0)
if status and status ~= 'active' then
  due = tonumber(closed or 0) + device.retention
end
if status and due > now then
  set_due(device, 'session', id, due)
elseif status == 'active' then
  end_session(device, session_key, id, now, 'expired', { actor = SYSTEM })
else
  forget(tonumber(bytes or 0))
end
return ok()
