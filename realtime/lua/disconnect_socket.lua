-- Takes a socket's registration back.
-- KEYS, ARGV as for connect_socket.lua
-- Returns {"ok"}
-- Guarantees that the late end of an older socket changes nothing of its device, and
-- that the end of the newest is no sign of life.
--@include store/device
--@include store/event
--@include device/presence
local id = ARGV[6]
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], id)
if #KEYS > 3 then
  local device, now = device_at(4, 1), clock()
  if redis.call('HGET', device.record, 'connection') == id then
    redis.call('HDEL', device.record, 'connection', 'connection_until')
    fades(device, now + tonumber(ARGV[9]))
  end
end
return { 'ok' }
