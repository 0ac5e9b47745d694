-- result records the result of a command. On request it also claims the device's next command.
-- KEYS[1..13]  the device's key set
-- KEYS[14..15] the login's record and the device's rate limit
-- KEYS[16]     the command's result, in a store that an earlier release may read
-- KEYS[17]     the stored answer of the claim; only if the next command is claimed
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      hash of the claim token
-- ARGV[8]      "succeeded", "failed" or "cancelled"
-- ARGV[9]      fingerprint of the result
-- ARGV[10]     the result, as JSON
-- ARGV[11..17] the arguments of the check of the login
-- ARGV[18]     length of the lease of the next command, in ms; this and the following only if the
--              next command is claimed
-- ARGV[19]     fingerprint of the claim
-- ARGV[20]     maximum number of expired leases to settle
-- ARGV[21..22] sealed claim token of the next command, and its hash
-- Returns {"ok", events, state, 1 for a duplicate, now, quarantined ids,
--         {command id, state, body, sealed claim token} of the next command, if one was claimed}
-- Refuses with command_not_found, invalid_claim_token, claim_superseded,
--       command_finished; all but the first contain the command's state. Refuses with
--       unauthorized or rate_limited as device/login_check does
-- Guarantees that only one result is recorded, and that the same result may be submitted
-- again. The newest claim may submit its result even after the lease has expired. If such a
-- result is a success, the retries of the command that were never claimed are cancelled. The next
-- command is claimed as in claim.lua, and only if the result is recorded. The same result returns
-- the same next command while its lease lasts.
--@include device/instances
--@include device/login_check
--@include store/base
--@include store/device
--@include store/event
--@include store/idempotency
--@include store/reply
--@include command
--@include claim_ready
--@include fence
local device = device_at(1, 1)
local result_key, memory_key = KEYS[16], KEYS[17]
local id, token_hash, status, fingerprint, result = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local now = clock()

local refused, _, _, instance = check_login(device.record, device.tenant, now, 14, 11)
if refused then
  return refused
end

-- reply returns the script's reply. If the request asks for it, reply claims the next command.
local function reply(duplicate)
  local state, claimed = device.state, {}
  if memory_key and not is_suspended(device, 11) then
    device.conflict = note_instance(device, now, instance or '', '')
    claimed = claim_ready(device, now, {
      answer = stored_reply(memory_key, ARGV[19]), key = memory_key, fingerprint = ARGV[19],
      limit = 1, timeout = tonumber(ARGV[18]), settle_limit = ARGV[20], tokens = 21,
    })
  end
  return ok(state, duplicate, now, quarantined(), unpack(claimed))
end

local c = load_command(device, id)
if not c then
  return refuse('command_not_found')
end

settle(device, id, c, now)
refused = fence(device, c, token_hash)
if refused then
  return refused
end
if c.result then
  if c.result == fingerprint then
    return reply(1)
  end
  return refuse('command_finished', device.state)
end
-- The device may have run a command that timed out or was queued again, so its result is still
-- recorded. A command that was cancelled while it was not claimed keeps its status.
if c.status == 'cancelled' and not c.cancel then
  return refuse('command_finished', device.state)
end

-- cancel_retries cancels the retries of the command, and retries of those, that no device has claimed. A
-- user has proposed them because the command seemed lost. A retry that was claimed may have run, so its
-- result must stay welcome.
local function cancel_retries()
  local root = c.retry_of or id
  each_unclaimed(device, function(other, retry)
    if retry.retry_of == root and retry.attempt == 0 and other ~= id then
      finish_without_result(device, other, retry, 'cancelled', now, {
        actor = SYSTEM, request = retry.request, data = reason_data('the command that it repeats succeeded late'),
      })
    end
  end)
end

local late = c.status ~= 'claimed'
if late and status == 'succeeded' then
  cancel_retries()
end
c.result, c.late = fingerprint, late or nil
c.bytes = (c.bytes or 0) + #result
count_bytes(device, #result)
record_claim_end(c, now, status)
if PACKED then
  finish(device, id, c, status, now, result_field(id), result)
else
  finish(device, id, c, status, now)
  redis.call('SET', result_key, result, 'PX', ms(device.retention))
end
emit(device, now, 'command.' .. status, {
  session = c.session, command = id, request = c.request, trace = c.trace, data = { attempt = c.attempt, late = late },
})
return reply(0)
