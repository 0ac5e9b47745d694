-- The end of a support session.
--
-- A session's record is a hash:
--   tenant, device, type, description, created_by, request, created, expires
--   status      active, closed or expired
--   closed, closed_by, reason: once it has ended
--@include store/device
--@include store/event
--@include queue/command

-- Ends an active session with all that waits in it; what the device has claimed
-- stays its own. `key` is the record's, `status` closed or expired.
local function end_session(device, key, id, now, status, details)
  redis.call('HSET', key, 'status', status, 'closed', ms(now), 'closed_by', details.actor or device.actor, 'reason', details.reason or '')
  if redis.call('HGET', device.record, 'session') == id then
    redis.call('HDEL', device.record, 'session', 'session_until')
  end
  device.session = nil
  end_waiting(device, now, details.commands or 'expired', { actor = details.actor, data = { reason = 'session_' .. status } })
  redis.call('ZADD', device.due, ms(now + device.retention), due_member('session', id, device))
  emit(device, now, 'session.' .. status, {
    session = id, actor = details.actor,
    data = details.reason and details.reason ~= '' and { reason = details.reason } or nil,
  })
end
