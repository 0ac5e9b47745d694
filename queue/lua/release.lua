-- release ends a claim and returns the command to the queue.
-- KEYS[1..13]  the device's key set
-- KEYS[14..15] the login's record and the device's rate limit
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      hash of the claim token
-- ARGV[8]      reason
-- ARGV[9..15]  the arguments of the check of the login
-- Returns {"ok", events, state}
-- Refuses with command_not_found, invalid_claim_token, claim_superseded, claim_expired,
--       command_finished; all but the first contain the command's state. Refuses with
--       unauthorized or rate_limited as device/login_check does
-- Guarantees that a released claim does not count as an attempt and does not start the
-- execution cap, and that the same release may be repeated. A command that a user has asked to
-- cancel ends as cancelled.
--@include device/login_check
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include command
--@include lease
local device = device_at(1, 1)
local id, token_hash, reason = ARGV[6], ARGV[7], ARGV[8]
local now = clock()

local refused = check_login(device.record, device.tenant, now, 14, 9)
if refused then
  return refused
end

local c = load_command(device, id)
if not c then
  return refuse('command_not_found')
end

settle(device, id, c, now)
if c.returned and c.token == token_hash then
  return ok(device.state)
end
refused = lost_lease(device, c, token_hash)
if refused then
  return refused
end

local ended, cancel = session_ended(device, c, now), c.cancel
unclaim(c, now)
enqueue(device, id, c, now)
emit(device, now, 'command.released', {
  session = c.session, command = id, request = c.request, trace = c.trace, ready = not (ended or cancel), data = reason_data(reason),
})
if cancel then
  finish_by_system(device, id, c, 'cancelled', now)
else
  settle(device, id, c, now)
end
return ok(device.state)
