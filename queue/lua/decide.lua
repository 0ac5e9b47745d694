-- Records a person's decision on a command that waits for one.
-- KEYS  1-12 the device's key set
-- ARGV  1-5 the scope, 6 command id, 7 session id, 8 "approved" or "rejected",
--       9 reason, 10 "1" when the proposer may not approve
-- Returns {"ok", events, state} or {code, events, state}: command_not_found, self_approval,
--       already_decided, approval_expired, session_closed, command_finished
-- Guarantees that one decision is recorded, whoever comes at the same time; the
-- same decision by the same person answers as the first time.
--@include store/device
--@include store/event
--@include command
local device = device_at(1, 1)
local id, decision = ARGV[6], ARGV[8]
local now = clock()

local c = load_command(device, id)
if not c or c.session ~= ARGV[7] then
  return { 'command_not_found' }
end
local function answer(code)
  return { code, events(), device.state }
end

if c.approval then
  local same = c.approval.decision == decision and c.approval.by == device.actor
  return answer(same and 'ok' or 'already_decided')
end
if c.status == 'pending_approval' then
  local closed = session_over(device, c, now)
  if settle(device, id, c, now) then
    return answer(closed and 'session_closed' or 'approval_expired')
  end
elseif c.status == 'expired' and c.approve_by then
  return answer(c.finished < c.approve_by and 'session_closed' or 'approval_expired')
elseif FINAL[c.status] then
  return answer('command_finished')
else
  return answer('already_decided')
end
if decision == 'approved' and ARGV[10] == '1' and c.proposer == device.actor then
  return answer('self_approval')
end

c.approval = { decision = decision, by = device.actor, at = now, reason = ARGV[9] ~= '' and ARGV[9] or nil }
if decision == 'approved' then
  enqueue(device, id, c, now)
else
  finish(device, id, c, 'rejected', now)
end
emit(device, now, 'command.' .. decision, {
  session = c.session, command = id, ready = decision == 'approved',
  data = { reason = c.approval.reason, status = c.status },
})
return answer('ok')
