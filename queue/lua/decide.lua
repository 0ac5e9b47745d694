-- decide records the vote of an approver on a command that is pending approval.
-- KEYS[1..13]  the device's key set
-- KEYS[14]     the tenant's cut-offs
-- KEYS[15]     the tenant's passkeys
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      session id
-- ARGV[8]      "approved", "rejected", or "break_glass" to approve without other users
-- ARGV[9]      reason
-- ARGV[10]     "1" if the proposer may not approve, or not approve without other users
-- ARGV[11]     MAC of the decision; empty if the gateway has found no pending command
-- ARGV[12]     proposer in the record that the gateway has verified; empty like the MAC
-- ARGV[13]     id of the user's session at the token issuer; may be empty
-- ARGV[14]     earliest time of a cut-off that refuses the user's token, in Unix ms
-- ARGV[15]     number of users who must approve by the policy as it is now, at least 1
-- ARGV[16]     MAC of the record with this number; unused if it is not higher than that of the record
-- ARGV[17]     assurance level of the sign-in, which the MAC of the decision covers; may be empty
-- ARGV[18]     assertion of the passkey that has signed, which the MAC covers too; empty without one
-- ARGV[19]     roles of the user, which the MAC covers; may be empty
-- ARGV[20]     age of the sign-in in ms, which the MAC covers; 0 if it is not known
-- ARGV[21]     time within which users must approve by the policy as it is now, in ms; 0 for any
-- ARGV[22..24] id, record and signature counter of the passkey
-- ARGV[25..26] time in Unix ms, by the clock of the gateway, and MAC of the mark that an admin has approved alone; the
--              MAC of the decision covers the time too; 0 and empty for another decision
-- ARGV[27...]  users whose votes do not count any more by the policy as it is now, as actors
-- Returns {"ok", events, state}
-- Refuses with user_cut_off and the reason for the log; with stale if the passkey is not the one that the
--       gateway has verified, or its signature counter has not grown, or if the command waits and the
--       gateway has found that it does not; or with command_not_found, already_decided,
--       session_closed, approval_expired, command_finished, self_approval, command_denied; all but the first two
--       contain the command's state
-- Guarantees that a user who was cut off decides nothing from then on, whatever the instance knows;
-- that each user has one vote, and that only one vote ends the wait, even if several arrive at once. If
-- the same user repeats a vote that counts, the script returns the state and changes nothing. A
-- proposer may not approve even if the record was changed after the gateway has verified it. Where
-- several users must approve, the proposer is never one of them. A command is approved without other users
-- once at most, so that the mark of the first time, and its review, are never replaced.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include approver/passkeys
--@include customer/cut_offs
--@include command
local device = device_at(1, 1)
local id, session, decision, reason, four_eyes, mac = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10] == '1', ARGV[11]
local proposer = ARGV[12]
local cut_offs_key, auth_session, earliest_cut_off = KEYS[14], ARGV[13], tonumber(ARGV[14])
local required_now, required_mac, aal = tonumber(ARGV[15]), ARGV[16], ARGV[17]
local assertion, passkey, passkey_record, counter = ARGV[18], ARGV[22], ARGV[23], tonumber(ARGV[24])
local roles, age, approve_within = ARGV[19], tonumber(ARGV[20]), tonumber(ARGV[21])
local glass_at, glass_mac = tonumber(ARGV[25]), ARGV[26]
local VOTERS = 27 -- index of the first user in ARGV
local breaks_glass = decision == 'break_glass'
local now = clock()

if is_cut_off(cut_offs_key, device.actor, auth_session, earliest_cut_off) then
  return refuse('user_cut_off', 'cut_off')
end
local c = load_command(device, id)
if not c or c.session ~= session then
  return refuse('command_not_found')
end

-- counts reports whether a vote of the user would still count.
local function counts()
  for i = VOTERS, #ARGV do
    if ARGV[i] == device.actor then
      return false
    end
  end
  return true
end

-- is_repeated reports whether the command has this vote of the user already. An admin who has approved
-- alone may repeat that as an approval too.
local function is_repeated()
  local last = c.approval
  if last and last.by == device.actor then
    return last.decision == (breaks_glass and 'approved' or decision) and (last.glass or not breaks_glass)
  end
  return decision == 'approved' and has_voted(c, device.actor) and counts()
end

if is_repeated() then
  return ok(device.state)
elseif c.approval then
  return refuse('already_decided', device.state)
end

local too_late = false
local closed = false
if c.status == 'pending_approval' and mac == '' then
  return refuse('stale') -- an approval was withdrawn since the gateway has read the command, and has judged nothing
elseif c.status == 'pending_approval' then
  local approve_by = (c.claimed or c.created) + approve_within -- what was claimed waits since it was taken back
  if decision ~= 'rejected' and approve_within > 0 and approve_by <= now then
    c.approve_by = math.min(c.approve_by, approve_by)
  end
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
local required = c.required or 1
if required_now > required then
  required, c.required, c.mac = required_now, required_now, required_mac
end
four_eyes = four_eyes or (required > 1 and not breaks_glass)
if decision ~= 'rejected' and four_eyes and (c.proposer == device.actor or proposer == device.actor) then
  return refuse('self_approval', device.state)
end

if breaks_glass and c.glass then
  return refuse('command_denied', device.state)
end

-- emit_vote records the event of a vote, where several are needed.
local function emit_vote(votes)
  if required > 1 then
    emit(device, now, 'command.vote', {
      session = c.session, command = id, trace = c.trace,
      data = { decision = decision, votes = votes, required = required, reason = present(reason) },
    })
  end
end

if decision == 'approved' then
  for i = VOTERS, #ARGV do
    remove_votes(c, ARGV[i])
  end
end
if assertion ~= '' and not use_passkey(KEYS[15], passkey, passkey_record, counter, now) then
  return refuse('stale')
end
local vote = {
  by = device.actor, name = device.actor_name, email = device.actor_email,
  at = breaks_glass and glass_at or now, reason = present(reason), aal = present(aal), roles = present(roles), age = age > 0 and age or nil, passkey = present(assertion), mac = mac,
}
if decision == 'approved' and count_votes(c) + 1 < required then
  add_vote(c, vote)
  save_command(device, id, c)
  emit_vote(count_votes(c))
  return ok(device.state)
end

remove_votes(c, device.actor)
vote.decision = decision == 'rejected' and decision or 'approved'
c.approval = vote
if breaks_glass then
  vote.glass = true
  c.glass = { by = vote.by, name = vote.name, email = vote.email, at = vote.at, reason = vote.reason, mac = glass_mac }
end
if decision == 'rejected' then
  finish(device, id, c, 'rejected', now)
else
  enqueue(device, id, c, now)
end
if breaks_glass then
  emit(device, now, 'command.break_glass', {
    session = c.session, command = id, trace = c.trace, data = { reason = vote.reason, votes = count_votes(c), required = required },
  })
else
  emit_vote(count_votes(c))
end
emit(device, now, 'command.' .. vote.decision, {
  session = c.session, command = id, trace = c.trace, ready = vote.decision == 'approved',
  data = { reason = vote.reason, status = c.status },
})
return ok(device.state)
