-- reconcile_session compares a session with its device and its indexes, and repairs the
-- differences.
-- KEYS[1..13]  the device's key set
-- KEYS[14]     the session's record
-- KEYS[15]     the tenant's index of sessions
-- KEYS[16]     the device's index of sessions
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      session id
-- ARGV[7]      "1" if an ended session may have the time of a longer retention, or ""
-- Returns {"ok", events, {damage...}}
-- Guarantees that each repair follows the session's record, and that a session without a
-- record never blocks its device. If nothing is damaged it reports nothing.
--@include store/base
--@include store/device
--@include store/due
--@include store/event
--@include store/reply
--@include session
local device = device_at(1, 1)
local session_key, tenant_index_key, device_index_key = KEYS[14], KEYS[15], KEYS[16]
local id, keeps_longer = ARGV[6], ARGV[7] == '1'
local now = clock()
local damages = {}

-- report adds one instance of damage to the reply.
local function report(damage)
  damages[#damages + 1] = damage
end

-- repair_index adds the session to an index if it belongs there, and removes it
-- otherwise.
local function repair_index(key, name, belongs)
  if belongs and redis.call('ZADD', key, 0, id) == 1 then
    report('missing ' .. name)
  elseif not belongs and redis.call('ZREM', key, id) == 1 then
    report('left ' .. name)
  end
end

-- repair_due ensures that the session is in the due index, with a time no later than deadline, so
-- that the sweeper settles it. A later time of an ended session is no damage: the configured
-- retention was longer when it ended. It stays if keeps_longer.
local function repair_due(deadline, ended)
  local due = read_due(device, 'session', id)
  if due and ((tonumber(due) or math.huge) <= deadline or ended and keeps_longer) then
    return
  end
  set_due(device, 'session', id, deadline)
  if not due or not ended then
    report((due and 'misplaced' or 'missing') .. ' due')
  end
end

-- repair_device writes the session's id to the device's record if that record names no
-- session. If it names another session, repair_device expires the session that is being
-- reconciled.
local function repair_device(expires, status, session, session_until)
  if status ~= 'active' and status ~= 'suspended' then
    return
  elseif not session or session == '' then
    redis.call('HSET', device.record, 'session', id, 'session_until', ms(expires))
    report('missing device')
  elseif session ~= id then
    redis.call('HSET', session_key, 'status', 'expired', 'closed', ms(now), 'closed_by', SYSTEM)
    set_due(device, 'session', id, now + device.retention)
    emit(device, now, 'session.expired', { session = id, actor = SYSTEM })
    report('second session')
  elseif tonumber(session_until) ~= expires then
    redis.call('HSET', device.record, 'session_until', ms(expires))
    report('misplaced device')
  end
end

local tenant, status, expires, closed, device_id =
  read_fields(session_key, 'tenant', 'status', 'expires', 'closed', 'device')
expires, closed = tonumber(expires), tonumber(closed)
local exists = tenant == device.tenant and device_id == device.id
repair_index(tenant_index_key, 'tenant', exists)
repair_index(device_index_key, 'sessions', exists)
if exists and status == 'active' and expires then
  repair_due(expires)
  repair_device(expires, read_fields(device.record, 'status', 'session', 'session_until'))
else
  if free_device(device, id) then
    report('left device')
  end
  if exists then
    repair_due((closed or now) + device.retention, true)
  end
end
return ok(damages)
