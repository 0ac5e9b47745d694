-- This fragment records events in the script that makes the transition. Each event is
-- added to the tenant's stream, which is trimmed and feeds the sockets. It is also added
-- to the device's timeline, which is kept for the retention period and serves audits.
--@include store/base
--@include store/reply
--@include store/wake
-- STREAM_LENGTH is text, because Redis formats a number in the arguments of a command slowly.
local STREAM_LENGTH = '10000'
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

-- PACKED is true in a store that only programs with the schema 2 use. An event is then one value
-- and not a list of fields, which takes half of the time and the memory. The Go function packed sets
-- it, and store.ParseEvent parses both forms.
local PACKED = false

-- append_event adds an event to the tenant's stream and its type to the reply. It returns the id of
-- the event. The other arguments are the fields of the entry and their values.
local function append_event(stream_key, kind, ...)
  recorded[#recorded + 1] = kind
  return redis.call('XADD', stream_key, 'MAXLEN', '~', STREAM_LENGTH, '*', ...)
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

-- append_to_timeline adds an event to the device's timeline, as append_event does to the stream.
local function append_to_timeline(device, now, ...)
  redis.call('XADD', device.timeline, 'MINID', '~', ms(now - device.retention), '*', ...)
  keep_timeline(device)
end

-- line_of returns a value as it is in a line of a packed event: an absent one is empty. A line break
-- becomes a space. Otherwise the values behind it would be taken for others, such as a name for a session.
local function line_of(value)
  if not value then
    return ''
  elseif string.find(value, '\n', 1, true) then
    value = string.gsub(value, '\n', ' ')
  end
  return value
end

-- pack_event returns an event as one text. Each line has one value, in the order of the list
-- eventLines in Go, and is empty for an absent one. The data is JSON, in which no line ends. The line
-- of the trace exists only if there is one, because most events belong to none.
local function pack_event(now, kind, e)
  return kind .. '\n' .. ms(now) .. '\n' .. line_of(e.actor) .. '\n' .. line_of(e.name) .. '\n' .. line_of(e.email) .. '\n'
    .. line_of(e.request) .. '\n' .. line_of(e.session) .. '\n' .. line_of(e.command) .. '\n' .. (e.data and cjson.encode(e.data) or '')
    .. (e.trace and '\n' .. line_of(e.trace) or '')
end

-- list_event returns an event as a list of fields and their values.
local function list_event(now, kind, e)
  local fields = { 'type', kind, 'time', ms(now), 'actor', e.actor }
  for _, name in ipairs({ 'device', 'name', 'email', 'request', 'session', 'command', 'trace' }) do
    add_field(fields, name, e[name])
  end
  add_field(fields, 'data', e.data and cjson.encode(e.data))
  return fields
end

-- emit_tenant records an event of a tenant that concerns no device, wakes the instances and adds the
-- type of the event to the reply. No timeline contains such an event.
local function emit_tenant(stream_key, now, kind, e)
  local id
  if PACKED then
    id = append_event(stream_key, kind, 'event', pack_event(now, kind, e))
  else
    id = append_event(stream_key, kind, unpack(list_event(now, kind, e)))
  end
  wake('event', '-', e.tenant, id)
end

-- record_event records an event of a device in both streams, and returns its id in the tenant's. The
-- entries of a packed event share its text. Only the tenant's stream needs the device beside it.
local function record_event(device, now, kind, e)
  if PACKED then
    local packed = pack_event(now, kind, e)
    append_to_timeline(device, now, 'event', packed)
    return append_event(device.stream, kind, 'device', device.id, 'event', packed)
  end
  e.device = device.id
  local fields = list_event(now, kind, e)
  append_to_timeline(device, now, unpack(fields))
  return append_event(device.stream, kind, unpack(fields))
end

-- emit records an event of a device, wakes the instances and adds the type of the event
-- to the reply. It may change the table e.
--   kind                   the event's type, such as "command.claimed"
--   e.session, e.command   the ids of the session and the command; may be nil
--   e.data                 a table with details; may be nil
--   e.trace                the traceparent of the command; may be nil
--   e.actor, e.request     used instead of the scope's actor and request id, if not nil; the
--                          event then has no names
--   e.ready                true if the device has more commands to claim
local function emit(device, now, kind, e)
  if not e.actor then
    e.actor, e.name, e.email = device.actor, device.actor_name, device.actor_email
  end
  e.request = e.request or device.request
  local id = record_event(device, now, kind, e)
  wake(e.ready and 'ready' or SOCKET_EVENTS[kind] and 'event' or 'room', device.id, device.tenant, id)
end

-- reason_data returns the data of an event whose only data is a reason. It returns nil
-- for an empty reason.
local function reason_data(reason)
  return reason ~= '' and { reason = reason } or nil
end
