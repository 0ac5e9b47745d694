-- Makes a lease longer.
-- KEYS  1-12 the device's key set
-- ARGV  1-5 the scope, 6 command id, 7 hash of the claim token, 8 ms from now
-- Returns {"ok", events, state, now} or {code, events, state}: command_not_found,
--       invalid_claim_token, claim_superseded, claim_expired, command_finished
-- Guarantees that only the newest claim's lease is extended, never beyond the
-- execution cap, and never after it has ended.
--@include store/device
--@include store/event
--@include command
--@include fence
local device = device_at(1, 1)
local id, now = ARGV[6], clock()

local c = load_command(device, id)
if not c then
  return { 'command_not_found' }
end
local function answer(code)
  return { code, events(), device.state, now }
end

settle(device, id, c, now)
local held = fence(c, ARGV[7])
if held ~= 'ok' then
  return answer(held)
elseif c.status == 'claimed' then
  c.visible = math.min(now + tonumber(ARGV[8]), c.first + EXECUTION_CAP)
  save_command(device, id, c)
  redis.call('ZADD', device.leases, ms(c.visible), id)
  schedule(device, id, c)
  return answer('ok')
elseif c.result or not (c.status == 'queued' or c.status == 'timed_out') then
  return answer('command_finished')
end
return answer('claim_expired')
