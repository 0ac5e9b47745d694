-- claim leases the next commands of the ready set to their device.
-- KEYS[1..13]  the device's key set
-- KEYS[14..15] the login's record and the device's rate limit
-- KEYS[16]     the stored answer; only with an Idempotency-Key
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      maximum number of commands to claim
-- ARGV[7]      length of each lease, in ms
-- ARGV[8]      fingerprint of the request
-- ARGV[9]      maximum number of expired leases to settle
-- ARGV[10]     id of the instance that claims; empty for the one that has opened the login
-- ARGV[11]     "1" if the claim has waited, and runs again
-- ARGV[12..18] the arguments of the check of the login
-- ARGV[19...]  a sealed claim token and its hash, for each command that may be claimed; the
--              former is empty without an Idempotency-Key
-- Returns {"ok", events, now, number of ready commands that may be left, or -1 if the claim has waited and
--       another instance has taken the place of its own, quarantined ids, the tenant's own limit
--       of waiting claims (empty if it has none, and if commands are returned),
--       {command id, state, body, sealed claim token}...}
-- Refuses with idempotency_key_reused, or with unauthorized or rate_limited as device/login_check
--       does
-- Guarantees that a command has one lease at a time, and that only a command that may run is
-- claimed. A repeated claim returns the same commands and tokens while their leases last,
-- but an empty answer is never stored. A waiting claim is refused after its device was
-- suspended or its login ended, because each run checks the login. A second instance of the device is
-- noticed, and commands that were approved are then held. A waiting claim returns nothing after
-- another instance has taken the place of its own.
--@include device/instances
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
local instance, has_waited = ARGV[10], ARGV[11] == '1'
local now = clock()

-- REPLACED takes the place of the number of commands that are left. The Go constant is the same.
local REPLACED = -1

local refused, _, _, login_instance = check_login(device.record, device.tenant, now, 14, 12)
if refused then
  return refused
end
if is_suspended(device, 12) then
  return refuse('unauthorized', 'device_inactive')
end
local answer
answer, refused = recall(memory_key, fingerprint)
if refused then
  return refused
end
if instance == '' then
  instance = login_instance or ''
end
if has_waited then
  local current, conflict = read_fields(device.record, 'instance', 'conflict')
  if instance ~= '' and current and instance ~= current and not conflict then
    return ok(now, REPLACED, '', '')
  end
  device.conflict = conflict
else
  device.conflict = note_instance(device, now, instance, '')
end
local claimed = claim_ready(device, now, {
  answer = answer, key = memory_key, fingerprint = fingerprint,
  limit = tonumber(ARGV[6]), timeout = tonumber(ARGV[7]), settle_limit = ARGV[9], tokens = 19,
})
local max_waiting = #claimed == 0 and redis.call('HGET', device.usage, 'waitingClaims:limit') or ''
-- If fewer commands were claimed than allowed, those that are left cannot be claimed now.
local left = #claimed == tonumber(ARGV[6]) and redis.call('ZCARD', device.ready) or 0
return ok(now, left, quarantined(), max_waiting, unpack(claimed))
