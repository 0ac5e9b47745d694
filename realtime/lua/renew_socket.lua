-- renew_socket renews the lease of a socket.
-- KEYS and ARGV are the same as in connect_socket.lua.
-- Returns {"ok", events}
-- Refuses with unauthorized if the device is disabled; with kicked if an administrator has
--         closed the connection; with superseded if the device has a newer socket
-- Guarantees that only the newest socket of a device keeps it online. If the registration was
-- lost in an outage or with the store's data, it is written again.
--@include store/base
--@include store/device
--@include store/reply
--@include device/presence
--@include connection
local record_key, index_key, leases_key, DEVICE = KEYS[1], KEYS[2], KEYS[4], 6
local id, lease, record = ARGV[6], tonumber(ARGV[7]), ARGV[8]

if redis.call('GET', record_key) == KICKED then
  return refuse('kicked')
end
if KEYS[DEVICE] then
  local device, now = device_at(DEVICE, 1), clock()
  local newest = redis.call('HGET', device.record, 'connection')
  if newest and newest ~= id then
    return refuse('superseded')
  elseif is_disabled(device) then
    return refuse('unauthorized', 'device_inactive')
  end
  set_socket(device, now, id, lease)
end
register(record_key, index_key, leases_key, id, record, lease)
return ok()
