-- This fragment records whether a device is online, in the device's record:
--   last_seen         time of the last sign of life, in Unix ms
--   online_until      end of the time for which the device counts as online
--   connection, connection_until: its newest socket, and the end of that socket's lease
--   connected         order of the newest socket: its opening in Unix ms, never the same
--                     twice
--   presence          the presence that was announced last: online, stale or offline
--@include store/base
--@include store/due
--@include store/event

-- is_disabled reports whether the device is suspended, decommissioned or not registered
-- yet. It returns false for a device without a record.
local function is_disabled(device)
  local status = redis.call('HGET', device.record, 'status')
  return status and status ~= 'active'
end

-- set_online_until sets the time until which the device counts as online. The sweeper
-- checks the device again at that time.
local function set_online_until(device, online_until)
  redis.call('HSET', device.record, 'online_until', ms(online_until))
  set_due(device, 'presence', device.id, online_until)
end

-- mark_online records a request of the device. It records an event if the device was not
-- online.
local function mark_online(device, now, online_until)
  redis.call('HSET', device.record, 'last_seen', ms(now))
  set_online_until(device, online_until)
  if redis.call('HGET', device.record, 'presence') ~= 'online' then
    redis.call('HSET', device.record, 'presence', 'online')
    emit(device, now, 'device.presence', { data = { presence = 'online' } })
  end
end

-- set_socket records the device's newest socket, for the length of the socket's lease.
local function set_socket(device, now, id, lease)
  redis.call('HSET', device.record, 'connection', id, 'connection_until', ms(now + lease))
  mark_online(device, now, now + lease)
end

-- shorten_online moves the end of the online time to online_until, if that is earlier. A
-- device that has lost its socket may reconnect before this time.
local function shorten_online(device, online_until)
  if tonumber(redis.call('HGET', device.record, 'online_until') or 0) > online_until then
    set_online_until(device, online_until)
  end
end
