-- settle_session applies what has become due for a session: it expires, or its retention
-- ends.
-- KEYS  1-13 the device's key set, 14 the session's record, 15 the tenant's index of
--       sessions, 16 the device's index of sessions
-- ARGV  1-5 the scope, 6 session id
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
  -- The device does not have this session any more, unless the session's record was lost.
  -- If the record was lost, no other session could be opened on the device.
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
