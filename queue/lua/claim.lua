-- claim leases the next commands of the ready set to their device.
-- KEYS[1..13]  the device's key set
-- KEYS[14..15] the login's record and the device's rate limit
-- KEYS[16]     the stored answer; only with an Idempotency-Key
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      maximum number of commands to claim
-- ARGV[7]      length of each lease, in ms
-- ARGV[8]      fingerprint of the request
-- ARGV[9]      maximum number of expired leases to settle
-- ARGV[10..16] the arguments of the check of the login
-- ARGV[17...]  a sealed claim token and its hash, for each command that may be claimed; the
--              former is empty without an Idempotency-Key
-- Returns {"ok", events, now, length of the ready set, quarantined ids, the tenant's own limit
--       of waiting claims (empty if it has none, and if commands are returned),
--       {command id, state, body, sealed claim token}...}
-- Refuses with idempotency_key_reused, or with unauthorized or rate_limited as device/login_check
--       does
-- Guarantees that a command has one lease at a time, and that only a command that may run is
-- claimed. A repeated claim returns the same commands and tokens while their leases last,
-- but an empty answer is never stored. A waiting claim is refused after its device was
-- suspended or its login ended, because each run checks the login.
--@include device/login_check
--@include store/base
--@include store/device
--@include store/event
--@include store/idempotency
--@include store/reply
--@include command
--@include claim_ready
local device = device_at(1, 1)
local memory_key, fingerprint = KEYS[16], ARGV[8]
local now = clock()

local refused = check_login(device.record, device.tenant, now, 14, 10)
if refused then
  return refused
end
if is_suspended(device, 10) then
  return refuse('unauthorized', 'device_inactive')
end
local answer
answer, refused = recall(memory_key, fingerprint)
if refused then
  return refused
end
local claimed = claim_ready(device, now, {
  answer = answer, key = memory_key, fingerprint = fingerprint,
  limit = tonumber(ARGV[6]), timeout = tonumber(ARGV[7]), settle_limit = ARGV[9], tokens = 17,
})
local max_waiting = #claimed == 0 and redis.call('HGET', device.usage, 'waitingClaims:limit') or ''
return ok(now, redis.call('ZCARD', device.ready), quarantined(), max_waiting, unpack(claimed))
