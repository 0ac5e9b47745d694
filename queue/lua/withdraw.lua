-- withdraw takes back the user's own approval of a command that no device has claimed.
-- KEYS[1..13]  the device's key set
-- KEYS[14]     the tenant's cut-offs
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      session id
-- ARGV[8]      reason
-- ARGV[9]      id of the user's session at the token issuer; may be empty
-- ARGV[10]     earliest time of a cut-off that refuses the user's token, in Unix ms
-- Returns {"ok", events, state}
-- Refuses with user_cut_off and the reason for the log; or with command_not_found, or command_finished,
--       already_claimed or vote_not_found with the command's state
-- Guarantees that a command either has the vote at its claim, or waits for another one. If the user was the
-- last to withdraw a vote, and has none since, the script returns the state and changes nothing. The votes of
-- other users stay.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include customer/cut_offs
--@include command
local device = device_at(1, 1)
local id, session, reason = ARGV[6], ARGV[7], ARGV[8]
local cut_offs_key, auth_session, earliest_cut_off = KEYS[14], ARGV[9], tonumber(ARGV[10])
local now = clock()

if is_cut_off(cut_offs_key, device.actor, auth_session, earliest_cut_off) then
  return refuse('user_cut_off', 'cut_off')
end
local c = load_command(device, id)
if not c or c.session ~= session then
  return refuse('command_not_found')
end
settle(device, id, c, now)
if FINAL[c.status] then
  return refuse('command_finished', device.state)
elseif c.status == 'claimed' or c.attempt > 0 then
  return refuse('already_claimed', device.state)
end

local is_last = c.approval ~= nil and c.approval.by == device.actor
if not is_last and not has_voted(c, device.actor) then
  if c.withdrawn == device.actor then
    return ok(device.state)
  end
  return refuse('vote_not_found', device.state)
end
c.withdrawn = device.actor
if is_last then
  c.approval = nil
end
remove_votes(c, device.actor)
if c.status == 'queued' and lacks_approval(c) then
  reopen(c)
  await_approval(device, id, c)
else
  save_command(device, id, c)
end
emit(device, now, 'command.vote_withdrawn', {
  session = c.session, command = id, trace = c.trace,
  data = { reason = present(reason), status = c.status, votes = count_votes(c), required = c.required or 1 },
})
settle(device, id, c, now)
return ok(device.state)
