-- result_conflict keeps another result of a command that has ended, beside the one that stands. Two
-- machines may have executed the command.
-- KEYS[1..13]  the device's key set
-- KEYS[14..15] the login's record and the device's rate limit
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      hash of the claim token
-- ARGV[8]      status of the other result
-- ARGV[9]      fingerprint of the other result
-- ARGV[10]     the other result, shortened, as JSON
-- ARGV[11..17] the arguments of the check of the login
-- Returns {"ok", events, state, 1 if the result was kept}
-- Refuses with command_not_found, invalid_claim_token, claim_superseded; all but the first contain the
--       command's state. Refuses with unauthorized or rate_limited as device/login_check does
-- Guarantees that the result that stands is not changed, and that only the first other result is kept
-- and recorded as an event.
--@include device/login_check
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include command
--@include fence
local device = device_at(1, 1)
local id, token_hash, status, fingerprint, result = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local now = clock()

local refused, _, _, instance = check_login(device.record, device.tenant, now, 14, 11)
if refused then
  return refused
end
local c = load_command(device, id)
if not c then
  return refuse('command_not_found')
end
refused = fence(device, c, token_hash)
if refused then
  return refused
end
if not FINAL[c.status] or c.result == fingerprint or redis.call('HEXISTS', device.commands, conflict_field(id)) == 1 then
  return ok(device.state, 0)
end
redis.call('HSET', device.commands, conflict_field(id), result)
c.bytes = (c.bytes or 0) + #result
count_bytes(device, #result)
save_command(device, id, c)
emit(device, now, 'command.result_conflict', {
  session = c.session, command = id, trace = c.trace, data = { attempt = c.attempt, status = status, instanceId = present(instance or '') },
})
return ok(device.state, 1)
