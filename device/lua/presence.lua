-- Whether a device shows itself.
--
-- Fields of the device's record:
--   last_seen         the last sign of the device, in Unix ms
--   online_until      until when it counts as online if there is no other
--   connection, connection_until: its newest socket, and until when that lives
--   connected         when that was opened, in Unix ms, never the same twice
--   presence          what was announced last: online, stale or offline
--@include store/device
--@include store/event

-- Tells whether somebody has shut the device out.
local function shut_out(device)
  local status = redis.call('HGET', device.record, 'status')
  return status and status ~= 'active'
end

-- Has the sweeper look at the device again when it is online no longer.
local function online_for_now(device, online_until)
  redis.call('HSET', device.record, 'online_until', ms(online_until))
  redis.call('ZADD', device.due, ms(online_until), 'presence ' .. device.id .. ' ' .. device.id .. ' ' .. device.tenant)
end

-- Notes a sign of the device, and announces that it is there if it was not.
local function seen(device, now, online_until)
  redis.call('HSET', device.record, 'last_seen', ms(now))
  online_for_now(device, online_until)
  if redis.call('HGET', device.record, 'presence') ~= 'online' then
    redis.call('HSET', device.record, 'presence', 'online')
    emit(device, now, 'device.presence', { data = { presence = 'online' } })
  end
end

-- Notes that a socket is the device's, for as long as its lease.
local function holds_socket(device, now, id, lease)
  redis.call('HSET', device.record, 'connection', id, 'connection_until', ms(now + lease))
  seen(device, now, now + lease)
end

-- Lets a device without a socket be online for a moment yet: it may be back.
local function fades(device, online_until)
  if tonumber(redis.call('HGET', device.record, 'online_until') or 0) > online_until then
    online_for_now(device, online_until)
  end
end
