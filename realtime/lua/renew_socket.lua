-- Says that a socket is still there.
-- KEYS, ARGV as for connect_socket.lua
-- Returns {"ok", events}, {"superseded"} when the device has a newer socket, {"kicked"}
--       when somebody has ended the connection, or {"unauthorized"} for a device that
--       is shut out
-- Guarantees that only the newest socket of a device keeps it online, and that a
-- registration which was lost, in an outage or with the store's data, is there again.
--@include store/device
--@include store/event
--@include device/presence
--@include connection
local id = ARGV[6]
if redis.call('GET', KEYS[1]) == KICKED then
  return { 'kicked' }
end
if #KEYS > 3 then
  local device, now = device_at(4, 1), clock()
  local newest = redis.call('HGET', device.record, 'connection')
  if newest and newest ~= id then
    return { 'superseded' }
  elseif shut_out(device) then
    return { 'unauthorized' }
  end
  holds_socket(device, now, id, tonumber(ARGV[7]))
end
register({ record = KEYS[1], index = KEYS[2] }, id, ARGV[8], ARGV[7])
return { 'ok', events() }
