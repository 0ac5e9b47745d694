-- This fragment ends a support session.
--
-- The record of a session is a hash:
--   tenant, device, type, description, created_by, request, created, expires
--   created_name, created_email: names of the user who opened the session; may be empty
--   status      active, closed or expired
--   closed, closed_by, reason: set when the session ends
--@include store/base
--@include store/due
--@include store/event
--@include store/usage
--@include queue/command

-- free_device removes the session from the device's record, so that another session can be
-- opened. It returns false, and changes nothing, if the device's record does not name this
-- session.
local function free_device(device, id)
  if redis.call('HGET', device.record, 'session') ~= id then
    return false
  end
  redis.call('HDEL', device.record, 'session', 'session_until')
  count(device, 'openSessions', -1)
  return true
end

-- end_session ends an active session and its commands that are not claimed. Claimed commands
-- stay claimed until the device submits a result or the lease expires.
--   key               key of the session's record
--   status            "closed" or "expired"
--   details.actor     overrides the actor of the scope
--   details.reason    why the session ends
--   details.commands  final status of the commands; "expired" by default
local function end_session(device, key, id, now, status, details)
  redis.call('HSET', key, 'status', status, 'closed', ms(now), 'closed_by', details.actor or device.actor,
    'reason', details.reason or '')
  free_device(device, id)
  device.session = nil -- discards the values that session_ended has cached
  finish_unclaimed(device, now, details.commands or 'expired', {
    actor = details.actor, data = { reason = 'session_' .. status },
  })
  set_due(device, 'session', id, now + device.retention)
  emit(device, now, 'session.' .. status, {
    session = id, actor = details.actor, data = reason_data(details.reason or ''),
  })
end
