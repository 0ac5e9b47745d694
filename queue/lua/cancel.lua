-- Cancels a command, or asks the device that works on it to stop.
-- KEYS  1-12 the device's key set
-- ARGV  1-5 the scope, 6 command id, 7 session id, 8 reason
-- Returns {"ok", events, state} or {code, events, state}: command_not_found, command_finished
-- Guarantees that a claimed command stays claimed: only its device can tell what
-- became of it.
--@include store/device
--@include store/event
--@include command
local device = device_at(1, 1)
local id, reason = ARGV[6], ARGV[8]
local now = clock()

local c = load_command(device, id)
if not c or c.session ~= ARGV[7] then
  return { 'command_not_found' }
end
local function answer(code)
  return { code, events(), device.state }
end

settle(device, id, c, now)
local details = { data = reason ~= '' and { reason = reason } or nil }
if c.status == 'cancelled' then
  return answer('ok')
elseif FINAL[c.status] then
  return answer('command_finished')
elseif c.status ~= 'claimed' then
  give_up(device, id, c, 'cancelled', now, details)
elseif not c.cancel then
  c.cancel = true
  save_command(device, id, c)
  redis.call('SADD', device.cancels, id)
  emit(device, now, 'command.cancel_requested', { session = c.session, command = id, data = details.data })
end
return answer('ok')
