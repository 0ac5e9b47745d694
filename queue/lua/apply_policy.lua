-- apply_policy takes back a claimed command that the policy of the gateway no longer lets run: the
-- policy has become stricter since the command was proposed.
-- KEYS[1..13]  the device's key set
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      state that the gateway has judged
-- ARGV[8]      "deny" to end the command, "review" to make it wait for an approval
-- ARGV[9]      MAC of the record as one that needs an approval; unused with "deny"
-- ARGV[10]     time within which users must decide on the command, in ms; unused with "deny"
-- ARGV[11]     number of users who must approve, which the MAC covers; unused with "deny"
-- ARGV[12...]  users whose votes do not count any more, as actors
-- Returns {"ok", events}
-- Guarantees that a command whose state is another one by now is not touched: the next claim judges
-- it again. The votes that still count stay. The claim does not count as an attempt, because the device does not get the command. A
-- command that a user has asked to cancel ends as cancelled in both cases. A command whose session has
-- ended meanwhile expires, because no user can approve it.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include command
local device = device_at(1, 1)
local id, state, mode, mac, decide_within = ARGV[6], ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10])
local required = tonumber(ARGV[11])
local VOTERS = 12 -- index of the first user in ARGV
local now = clock()

local c = load_command(device, id)
if not c or device.state ~= state or c.status ~= 'claimed' then
  return ok()
end

local cancel = c.cancel
unclaim(c, now)
if mode == 'deny' or cancel then
  finish_without_result(device, id, c, 'cancelled', now, {
    actor = SYSTEM, request = c.request, data = reason_data(not cancel and 'the policy denies commands of this type now' or ''),
  })
  return ok()
end
c.mac, c.required = mac, required > 1 and required or nil
reopen(c)
for i = VOTERS, #ARGV do
  remove_votes(c, ARGV[i])
end
if c.required then
  remove_votes(c, c.proposer) -- a tenant with one user may have had their approval
end
c.approve_by = math.min(now + decide_within, c.deliver_by)
await_approval(device, id, c)
emit(device, now, 'command.released', {
  session = c.session, command = id, actor = SYSTEM, request = c.request, trace = c.trace,
  data = { reason = 'the policy requires an approval of this type now', status = c.status },
})
settle(device, id, c, now)
return ok()
