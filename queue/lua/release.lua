-- Gives a claimed command back, as if it had never been claimed.
-- KEYS  1-12 the device's key set
-- ARGV  1-5 the scope, 6 command id, 7 hash of the claim token, 8 reason
-- Returns {"ok", events, state} or {code, events, state}: command_not_found,
--       invalid_claim_token, claim_superseded, claim_expired, command_finished
-- Guarantees that neither the attempt nor its time counts, and that the same release may be
-- sent again. A command that somebody wants cancelled ends here.
--@include store/device
--@include store/event
--@include command
--@include fence
local device = device_at(1, 1)
local id, hash, reason = ARGV[6], ARGV[7], ARGV[8]
local now = clock()

local c = load_command(device, id)
if not c then
  return { 'command_not_found' }
end
local function answer(code)
  return { code, events(), device.state }
end

settle(device, id, c, now)
if c.returned and c.token == hash then
  return answer('ok')
end
local held = fence(c, hash)
if held ~= 'ok' then
  return answer(held)
elseif c.status ~= 'claimed' then
  local expired = not c.result and (c.status == 'queued' or c.status == 'timed_out')
  return answer(expired and 'claim_expired' or 'command_finished')
end

local over, cancel = session_over(device, c, now), c.cancel
claim_ends(c, now, 'released')
c.attempt, c.returned = c.attempt - 1, true
if c.attempt == 0 then
  c.first = nil
end
enqueue(device, id, c, now)
emit(device, now, 'command.released', {
  session = c.session, command = id, request = c.request, ready = not (over or cancel),
  data = reason ~= '' and { reason = reason } or nil,
})
if cancel then
  run_out(device, id, c, 'cancelled', now)
else
  settle(device, id, c, now)
end
return answer('ok')
