-- This fragment ends a support session.
--
-- The record of a session is a hash:
--   tenant, device, type, description, created_by, request, created, expires
--   status      active, closed or expired
--   closed, closed_by, reason: set once it has ended
--   bytes       what the session counts towards the stored bytes of its tenant; absent if an
--               earlier version opened it
--@include store/base
--@include store/due
--@include store/event
--@include store/usage
--@include queue/command

-- free_device removes the session from the device's record, so that another session can
-- be opened. It returns true, or false if the device's record has another session or
-- none.
local function free_device(device, id)
  if redis.call('HGET', device.record, 'session') ~= id then
    return false
  end
  redis.call('HDEL', device.record, 'session', 'session_until')
  count(device, 'openSessions', -1)
  return true
end

-- end_session ends an active session, and ends those of its commands that are not
-- claimed. Claimed commands stay claimed until the device submits a result or the lease
-- expires.
--   key      the session's record
--   status   "closed" or "expired"
--   details  actor: instead of that of the scope; reason: of the end; commands: the status
--            of the commands, "expired" by default
local function end_session(device, key, id, now, status, details)
  redis.call('HSET', key, 'status', status, 'closed', ms(now), 'closed_by', details.actor or device.actor,
    'reason', details.reason or '')
  free_device(device, id)
  device.session = nil -- what session_ended has read
  finish_unclaimed(device, now, details.commands or 'expired', {
    actor = details.actor, data = { reason = 'session_' .. status },
  })
  set_due(device, 'session', id, now + device.retention)
  emit(device, now, 'session.' .. status, {
    session = id, actor = details.actor, data = reason_data(details.reason or ''),
  })
end
