-- This fragment records events in the script that makes the transition. Each event is
-- added to the tenant's stream, which is trimmed and feeds the sockets. It is also added
-- to the device's timeline, which is kept for the retention period and serves audits.
--@include store/base
--@include store/reply
--@include store/wake
local STREAM_LENGTH = 10000
local TIMELINE_PARTS = 30
-- NO_EXPIRY is the reply of PTTL for a key that does not expire.
local NO_EXPIRY = -1

-- SYSTEM is the actor of transitions that the gateway makes by itself when a deadline has
-- passed.
local SYSTEM = 'system'

-- SOCKET_EVENTS are the events that the gateway acts on for the device's socket: it notifies the
-- device, or checks the device's rights. Commands that can be claimed are announced with e.ready.
local SOCKET_EVENTS = {
  ['command.cancel_requested'] = true, ['device.registered'] = true, ['device.suspended'] = true,
  ['device.decommissioned'] = true, ['device.logins_revoked'] = true,
}

-- append_event adds an event to the tenant's stream and its type to the reply. It returns the id of
-- the event.
local function append_event(stream_key, kind, fields)
  recorded[#recorded + 1] = kind
  return redis.call('XADD', stream_key, 'MAXLEN', '~', STREAM_LENGTH, '*', unpack(fields))
end

-- add_field appends a field to the fields of an event, unless its value is absent.
local function add_field(fields, name, value)
  if value and value ~= '' then
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
end

-- shrink_timeline replaces a timeline by a copy that expires after ttl milliseconds. Redis reserves
-- 4 KiB for the first events of a stream, and a copy takes only what they need, which is a few
-- hundred bytes for a device that seldom does anything. It returns false, and changes nothing, if
-- the server cannot copy a stream or the user of Redis may not.
local function shrink_timeline(device, ttl)
  local copy = redis.pcall('DUMP', device.timeline)
  if type(copy) ~= 'string' then
    return false
  end
  return redis.pcall('RESTORE', device.timeline, ms(ttl), copy, 'REPLACE').ok ~= nil
end

-- keep_timeline makes the timeline expire when its newest event is as old as the retention, or at
-- most one part in TIMELINE_PARTS of the retention later. It writes only when that time must move,
-- which few of the events of a busy device require. A new timeline, which has no expiry, is shrunk.
local function keep_timeline(device)
  local left = redis.call('PTTL', device.timeline)
  local longest = math.floor(device.retention + device.retention / TIMELINE_PARTS)
  if left == NO_EXPIRY and shrink_timeline(device, longest) then
    return
  end
  if left < device.retention or left > longest then
    redis.call('PEXPIRE', device.timeline, ms(longest))
  end
end

-- emit_tenant records an event of a tenant that concerns no device, wakes the instances and adds the
-- type of the event to the reply. No timeline contains such an event.
local function emit_tenant(stream_key, now, kind, e)
  local fields = { 'type', kind, 'time', ms(now), 'actor', e.actor }
  add_field(fields, 'name', e.name)
  add_field(fields, 'email', e.email)
  add_field(fields, 'request', e.request)
  add_field(fields, 'data', cjson.encode(e.data))
  wake('event', '-', e.tenant, append_event(stream_key, kind, fields))
end

-- emit records an event of a device, wakes the instances and adds the type of the event
-- to the reply.
--   kind                   the event's type, such as "command.claimed"
--   e.session, e.command   the ids of the session and the command; may be nil
--   e.data                 a table with details; may be nil
--   e.actor, e.request     used instead of the scope's actor and request id, if not nil; the
--                          event then has no names
--   e.ready                true if the device has more commands to claim
local function emit(device, now, kind, e)
  local fields = { 'type', kind, 'time', ms(now), 'device', device.id, 'actor', e.actor or device.actor }
  if not e.actor then
    add_field(fields, 'name', device.actor_name)
    add_field(fields, 'email', device.actor_email)
  end
  add_field(fields, 'request', e.request or device.request)
  add_field(fields, 'session', e.session)
  add_field(fields, 'command', e.command)
  add_field(fields, 'data', e.data and cjson.encode(e.data))
  local id = append_event(device.stream, kind, fields)
  redis.call('XADD', device.timeline, 'MINID', '~', ms(now - device.retention), '*', unpack(fields))
  keep_timeline(device)
  wake(e.ready and 'ready' or SOCKET_EVENTS[kind] and 'event' or 'room', device.id, device.tenant, id)
end

-- reason_data returns the data of an event whose only data is a reason. It returns nil
-- for an empty reason.
local function reason_data(reason)
  return reason ~= '' and { reason = reason } or nil
end
