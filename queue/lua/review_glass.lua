-- review_glass closes the review of a command that an admin has approved alone.
-- KEYS[1..13]  the device's key set
-- KEYS[14]     the tenant's cut-offs
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      session id
-- ARGV[8]      comment
-- ARGV[9]      "1" if neither the proposer nor the admin may review
-- ARGV[10]     id of the user's session at the token issuer; may be empty
-- ARGV[11]     earliest time of a cut-off that refuses the user's token, in Unix ms
-- Returns {"ok", events, state}
-- Refuses with user_cut_off and the reason for the log; or with command_not_found, also if no admin has
--       approved the command alone, or self_approval with the command's state
-- Guarantees that the first review stands, and that it changes nothing else.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include customer/cut_offs
--@include command
local device = device_at(1, 1)
local id, session, comment, four_eyes = ARGV[6], ARGV[7], ARGV[8], ARGV[9] == '1'
local cut_offs_key, auth_session, earliest_cut_off = KEYS[14], ARGV[10], tonumber(ARGV[11])
local now = clock()

if is_cut_off(cut_offs_key, device.actor, auth_session, earliest_cut_off) then
  return refuse('user_cut_off', 'cut_off')
end
local c = load_command(device, id)
if not c or c.session ~= session or not c.glass then
  return refuse('command_not_found')
elseif not needs_review(c) then
  return ok(device.state)
elseif four_eyes and (c.glass.by == device.actor or c.proposer == device.actor) then
  return refuse('self_approval', device.state)
end

c.glass.reviewer, c.glass.reviewer_name, c.glass.reviewer_email = device.actor, device.actor_name, device.actor_email
c.glass.reviewed, c.glass.comment = now, present(comment)
if not is_in_inbox(c) then
  redis.call('ZREM', device.inbox, inbox_member(device, id))
end
save_command(device, id, c)
emit(device, now, 'command.break_glass_reviewed', {
  session = c.session, command = id, trace = c.trace, data = { comment = c.glass.comment },
})
return ok(device.state)
