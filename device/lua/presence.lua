-- This fragment records in the device's record whether the device is online:
--   last_seen         time of the last request, in Unix ms
--   online_until      time until which the device counts as online, in Unix ms
--   connection        id of the device's newest socket
--   connection_until  end of that socket's lease, in Unix ms
--   connected         time at which that socket was opened, in Unix ms; always unique, so that
--                     it orders the sockets
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

-- mark_online records that the device has sent a request. It also records an event if the
-- device was not online.
local function mark_online(device, now, online_until)
  redis.call('HSET', device.record, 'last_seen', ms(now))
  set_online_until(device, online_until)
  if redis.call('HGET', device.record, 'presence') ~= 'online' then
    redis.call('HSET', device.record, 'presence', 'online')
    emit(device, now, 'device.presence', { data = { presence = 'online' } })
  end
end

-- set_socket records the device's newest socket. The lease is the length of the socket's
-- lease in ms.
local function set_socket(device, now, id, lease)
  redis.call('HSET', device.record, 'connection', id, 'connection_until', ms(now + lease))
  mark_online(device, now, now + lease)
end

-- shorten_online moves the end of the online time to online_until, unless the stored end
-- is earlier. A device that has lost its socket may reconnect before that time.
local function shorten_online(device, online_until)
  if tonumber(redis.call('HGET', device.record, 'online_until') or 0) > online_until then
    set_online_until(device, online_until)
  end
end
