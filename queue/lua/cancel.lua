-- cancel cancels a command. If the command is claimed, cancel only asks the device to stop.
-- KEYS[1..13]  the device's key set
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      session id
-- ARGV[8]      reason
-- Returns {"ok", events, state}
-- Refuses with command_not_found, or command_finished with the command's state
-- Guarantees that a claimed command stays claimed, because only its device can report what
-- the command did.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include command
local device = device_at(1, 1)
local id, session, reason = ARGV[6], ARGV[7], ARGV[8]
local now = clock()

local c = load_command(device, id)
if not c or c.session ~= session then
  return refuse('command_not_found')
end

settle(device, id, c, now)
if c.status == 'cancelled' then
  return ok(device.state)
elseif FINAL[c.status] then
  return refuse('command_finished', device.state)
elseif c.status ~= 'claimed' then
  finish_without_result(device, id, c, 'cancelled', now, { data = reason_data(reason) })
elseif not c.cancel then
  c.cancel = true
  save_command(device, id, c)
  redis.call('SADD', device.cancels, id)
  emit(device, now, 'command.cancel_requested', { session = c.session, command = id, trace = c.trace, data = reason_data(reason) })
end
return ok(device.state)
