-- Records that something happened, in the same script as the thing itself: in
-- the tenant's stream (trimmed, for realtime) and in the device's timeline (kept
-- for the retention, for audit). Then wakes whoever listens. The message carries
-- no truth: who misses it reads the stream.
-- What was recorded is also what the script answers, so that it can be counted.
--   kind   the event's type, such as "command.claimed"
--   e      session, command: ids; data: a table of details; actor: instead of
--          the scope's own; ready: whether the device has more to claim
local STREAM_LENGTH = 10000
local recorded = {}

local function emit(device, now, kind, e)
  local fields = { 'type', kind, 'time', ms(now), 'device', device.id, 'actor', e.actor or device.actor }
  local function add(name, value)
    if value and value ~= '' then
      fields[#fields + 1] = name
      fields[#fields + 1] = value
    end
  end
  add('request', e.request or device.request)
  add('session', e.session)
  add('command', e.command)
  if e.data then
    add('data', cjson.encode(e.data))
  end
  recorded[#recorded + 1] = kind
  local id = redis.call('XADD', device.stream, 'MAXLEN', '~', STREAM_LENGTH, '*', unpack(fields))
  redis.call('XADD', device.timeline, 'MINID', '~', ms(now - device.retention), '*', unpack(fields))
  redis.call('PEXPIRE', device.timeline, ms(device.retention))
  redis.call('PUBLISH', 'fg:wake', table.concat({ e.ready and 'ready' or 'event', device.id, device.tenant, id }, ' '))
end

-- The types of all events that this call of the script has recorded.
local function events()
  return table.concat(recorded, ' ')
end
