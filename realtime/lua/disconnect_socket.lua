-- disconnect_socket removes the registration of a socket.
-- KEYS and ARGV are the same as in connect_socket.lua.
-- Returns {"ok", events}
-- Guarantees that the device is unchanged if it has a newer socket. Otherwise the device
-- stays online for at most the time in ARGV[9], and its last_seen is unchanged.
--@include store/base
--@include store/device
--@include store/reply
--@include device/presence
local record_key, index_key, leases_key, DEVICE = KEYS[1], KEYS[2], KEYS[4], 6
local id, online_for = ARGV[6], tonumber(ARGV[9])

redis.call('DEL', record_key)
redis.call('ZREM', index_key, id)
redis.call('ZREM', leases_key, id)
if KEYS[DEVICE] then
  local device, now = device_at(DEVICE, 1), clock()
  if redis.call('HGET', device.record, 'connection') == id then
    redis.call('HDEL', device.record, 'connection', 'connection_until')
    shorten_online(device, now + online_for)
  end
end
return ok()
