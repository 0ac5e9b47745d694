-- review_glass closes the review of a command that an admin has approved alone.
-- KEYS[1..13]  the device's key set
-- KEYS[14]     the tenant's cut-offs
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      session id
-- ARGV[8]      comment
-- ARGV[9]      "1" if neither the proposer nor the admin may review
-- ARGV[10]     MAC of the mark of the admin
-- ARGV[11]     time of the review in Unix ms, by the clock of the gateway
-- ARGV[12]     MAC of the review, which covers the time
-- ARGV[13]     time in Unix ms of a review in the record that no user has made; 0 if there is none
-- ARGV[14]     id of the user's session at the token issuer; may be empty
-- ARGV[15]     earliest time of a cut-off that refuses the user's token, in Unix ms
-- Returns {"ok", events, state}
-- Refuses with user_cut_off and the reason for the log; or with command_not_found, also if no admin has
--       approved the command alone, or self_approval with the command's state
-- Guarantees that the first review by a user stands. It changes nothing else, but restores a mark that was removed
-- from the record or changed, as long as the approval tells what it was.
--@include store/base
--@include store/device
--@include store/event
--@include store/reply
--@include customer/cut_offs
--@include command
local device = device_at(1, 1)
local id, session, comment, four_eyes = ARGV[6], ARGV[7], ARGV[8], ARGV[9] == '1'
local mac, reviewed, review_mac, forged = ARGV[10], tonumber(ARGV[11]), ARGV[12], tonumber(ARGV[13])
local cut_offs_key, auth_session, earliest_cut_off = KEYS[14], ARGV[14], tonumber(ARGV[15])
local now = clock()

if is_cut_off(cut_offs_key, device.actor, auth_session, earliest_cut_off) then
  return refuse('user_cut_off', 'cut_off')
end
local c = load_command(device, id)
local approval = c and c.approval or {}
if not c or c.session ~= session or not (c.glass or approval.glass) then
  return refuse('command_not_found')
end
c.glass = c.glass or {}
if approval.glass then
  c.glass.by, c.glass.name, c.glass.email = approval.by, approval.name, approval.email
  c.glass.at, c.glass.reason = approval.at, approval.reason
end
if not needs_review(c) and c.glass.reviewed ~= forged then
  return ok(device.state)
elseif four_eyes and (c.glass.by == device.actor or c.proposer == device.actor) then
  return refuse('self_approval', device.state)
end

c.glass.reviewer, c.glass.reviewer_name, c.glass.reviewer_email = device.actor, device.actor_name, device.actor_email
c.glass.reviewed, c.glass.comment, c.glass.mac, c.glass.review_mac = reviewed, present(comment), mac, review_mac
if not is_in_inbox(c) then
  redis.call('ZREM', device.inbox, inbox_member(device, id))
end
save_command(device, id, c)
emit(device, now, 'command.break_glass_reviewed', {
  session = c.session, command = id, trace = c.trace, data = { comment = c.glass.comment },
})
return ok(device.state)
