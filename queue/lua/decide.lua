-- decide records an approver's decision on a command that is pending approval.
-- KEYS[1..13]  the device's key set
-- KEYS[14]     the tenant's cut-offs
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      session id
-- ARGV[8]      "approved" or "rejected"
-- ARGV[9]      reason
-- ARGV[10]     "1" if the proposer may not approve
-- ARGV[11]     MAC of the decision; empty if the gateway has found no pending command
-- ARGV[12]     proposer in the record that the gateway has verified; empty like the MAC
-- ARGV[13]     id of the user's session at the token issuer; may be empty
-- ARGV[14]     earliest time of a cut-off that refuses the user's token, in Unix ms
-- Returns {"ok", events, state}
-- Refuses with user_cut_off and the reason for the log; or with command_not_found, already_decided,
--       session_closed, approval_expired, command_finished, self_approval; all but the first two
--       contain the command's state
-- Guarantees that a user who was cut off decides nothing from then on, whatever the instance knows;
-- and that only one decision is recorded, even if several arrive at once. If the same
-- user repeats the recorded decision, the script returns the state and changes nothing. A
-- proposer may not approve even if the record was changed after the gateway has verified it.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include customer/cut_offs
--@include command
local device = device_at(1, 1)
local id, session, decision, reason, four_eyes, mac = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10] == '1', ARGV[11]
local proposer = ARGV[12]
local cut_offs_key, auth_session, earliest_cut_off = KEYS[14], ARGV[13], tonumber(ARGV[14])
local now = clock()

if is_cut_off(cut_offs_key, device.actor, auth_session, earliest_cut_off) then
  return refuse('user_cut_off', 'cut_off')
end
local c = load_command(device, id)
if not c or c.session ~= session then
  return refuse('command_not_found')
end

if c.approval then
  if c.approval.decision == decision and c.approval.by == device.actor then
    return ok(device.state)
  end
  return refuse('already_decided', device.state)
end

local too_late = false
local closed = false
if c.status == 'pending_approval' then
  closed = session_ended(device, c, now)
  too_late = settle(device, id, c, now)
elseif c.status == 'expired' and c.approve_by then
  closed = c.finished < c.approve_by
  too_late = true
elseif FINAL[c.status] then
  return refuse('command_finished', device.state)
else
  return refuse('already_decided', device.state)
end
if too_late and closed then
  return refuse('session_closed', device.state)
elseif too_late then
  return refuse('approval_expired', device.state)
end
if decision == 'approved' and four_eyes and (c.proposer == device.actor or proposer == device.actor) then
  return refuse('self_approval', device.state)
end

c.approval = {
  decision = decision, by = device.actor, name = device.actor_name, email = device.actor_email,
  at = now, reason = present(reason), mac = mac,
}
if decision == 'approved' then
  enqueue(device, id, c, now)
else
  finish(device, id, c, 'rejected', now)
end
emit(device, now, 'command.' .. decision, {
  session = c.session, command = id, trace = c.trace, ready = decision == 'approved',
  data = { reason = c.approval.reason, status = c.status },
})
return ok(device.state)
