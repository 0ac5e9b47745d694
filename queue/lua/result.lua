-- Records what became of a command.
-- KEYS  1-12 the device's key set, 13 the command's result
-- ARGV  1-5 the scope, 6 command id, 7 hash of the claim token, 8 "succeeded",
--       "failed" or "cancelled", 9 fingerprint of the result, 10 the result (JSON)
-- Returns {"ok", events, state, duplicate} or {code, events, state}: command_not_found,
--       invalid_claim_token, claim_superseded, command_finished
-- Guarantees that one result stands; that the same one may be sent again; and
-- that a result of the newest claim counts even after its lease has ended, as
-- long as nobody has claimed the command since.
--@include store/device
--@include store/event
--@include command
--@include fence
local device = device_at(1, 1)
local id, hash, status, fingerprint = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local now = clock()

local c = load_command(device, id)
if not c then
  return { 'command_not_found' }
end
local function answer(code, duplicate)
  return { code, events(), device.state, duplicate or 0 }
end

settle(device, id, c, now)
local held = fence(c, hash)
if held ~= 'ok' then
  return answer(held)
end
if c.result then
  if c.result == fingerprint then
    return answer('ok', 1)
  end
  return answer('command_finished')
end
-- What time made of a claimed command is not the truth about it: its device is.
-- What a person made of it since then stands.
local late = c.status ~= 'claimed'
if c.status == 'cancelled' and not c.cancel then
  return answer('command_finished')
end

c.result, c.late = fingerprint, late or nil
claim_ends(c, now, status)
finish(device, id, c, status, now)
redis.call('SET', KEYS[13], ARGV[10], 'PX', ms(device.retention))
emit(device, now, 'command.' .. status, {
  session = c.session, command = id, request = c.request, data = { attempt = c.attempt, late = late },
})
return answer('ok')
