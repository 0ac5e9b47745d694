-- set_aside_command moves a command to the quarantine, because its record is not the one that
-- was proposed or approved.
-- KEYS[1..13]  the device's key set
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      state that the gateway has found to be changed
-- Returns {"ok", events, quarantined ids, 1 if the command was in the quarantine before}
-- Guarantees that a command whose state is another one by now is not touched: a later claim or
-- decision verifies it again. A claim of the command is released and does not count as an
-- attempt, because the device does not get what was changed. A user may still cancel it. Further
-- decisions on the command do not add it to the quarantine again.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include command
local device = device_at(1, 1)
local id, state = ARGV[6], ARGV[7]
local now = clock()

local c = load_command(device, id)
if not c or device.state ~= state or FINAL[c.status] then
  return ok('', 0)
end
if c.status == 'pending_approval' and redis.call('HEXISTS', device.commands, aside_field(id)) == 1
  and not redis.call('ZSCORE', device.pending, id) then
  return ok(id, 1)
end
if c.status == 'claimed' then
  unclaim(c, now)
  unlist(device, id, c)
  c.status, c.queued = 'queued', now
  save_command(device, id, c)
  emit(device, now, 'command.released', {
    session = c.session, command = id, request = c.request, trace = c.trace, data = reason_data('its record was changed in the store'),
  })
end
quarantine(device, id)
return ok(quarantined(), 0)
