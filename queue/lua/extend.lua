-- extend extends the lease of a claimed command.
-- KEYS[1..13]  the device's key set
-- KEYS[14..15] the login's record and the device's rate limit
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      hash of the claim token
-- ARGV[8]      time from now to the new end of the lease, in ms
-- ARGV[9..15]  the arguments of the check of the login
-- Returns {"ok", events, state, now}
-- Refuses with command_not_found, invalid_claim_token, claim_superseded, claim_expired,
--       command_finished; all but the first contain the command's state. Refuses with
--       unauthorized or rate_limited as device/login_check does
-- Guarantees that only the lease of the newest claim is extended, never beyond the
-- execution cap, and never after the lease has expired.
--@include store/base
--@include store/device
--@include store/reply
--@include command
--@include lease
local device = device_at(1, 1)
local id, token_hash, extension = ARGV[6], ARGV[7], tonumber(ARGV[8])
local now = clock()

local c, refused = leased_command(device, id, token_hash, now, 9)
if refused then
  return refused
end

c.visible = math.min(now + extension, c.first + EXECUTION_CAP)
save_command(device, id, c)
redis.call('ZADD', device.leases, ms(c.visible), id)
schedule(device, id, c)
return ok(device.state, now)
