-- decommission takes a device out of service permanently.
-- KEYS[1..13]   the device's key set, as store.Device.Keys returns it
-- KEYS[14..17]  the tenant's provisioned, active, suspended and decommissioned devices
-- KEYS[18]      the tenant's external ids
-- KEYS[19]      the record of the device's session; absent if the device has none
-- ARGV[1..5]    the scope, as store.Scope.Args returns it
-- ARGV[6]       the reason
-- ARGV[7]       the id of the session in KEYS[19], or ""
-- Returns {"ok", events, hash of the activation code, digest of the Idempotency-Key of the registration}; both
--       may be empty, and what is stored for them is invalid
-- Refuses with device_not_found; or with stale if the device now has another session
-- Guarantees that no command is delivered to the device and no request of the device is accepted
-- any more. Claimed commands stay claimed until their leases expire, because the device may
-- have run them.
--@include store/base
--@include store/device
--@include store/due
--@include store/event
--@include store/reply
--@include queue/command
--@include session/session
local device = device_at(1, 1)
local provisioned_key, active_key, suspended_key, decommissioned_key = KEYS[14], KEYS[15], KEYS[16], KEYS[17]
local external_ids_key, session_key = KEYS[18], KEYS[19]
local reason, session = ARGV[6], ARGV[7]
local now = clock()

local tenant, status, current_session, external_id, activation, registration =
  read_fields(device.record, 'tenant', 'status', 'session', 'external_id', 'activation', 'registration')
if tenant ~= device.tenant then
  return refuse('device_not_found')
elseif status == 'decommissioned' then
  return ok('', '')
elseif (current_session or '') ~= session then
  return refuse('stale')
end

redis.call('HSET', device.record, 'status', 'decommissioned', 'decommissioned', ms(now))
set_due(device, 'device', device.id, now + device.retention)
redis.call('HINCRBY', device.record, 'epoch', 1)
redis.call('HDEL', device.record, 'secret', 'activation', 'activation_until', 'activation_used', 'registration')
redis.call('ZREM', provisioned_key, device.id)
redis.call('ZREM', active_key, device.id)
redis.call('ZREM', suspended_key, device.id)
redis.call('ZADD', decommissioned_key, 0, device.id)
if external_id and redis.call('HGET', external_ids_key, external_id) == device.id then
  redis.call('HDEL', external_ids_key, external_id)
end
if session ~= '' then
  local session_status, expires = read_fields(session_key, 'status', 'expires')
  if session_status == 'active' then
    local ended = tonumber(expires) <= now and 'expired' or 'closed'
    end_session(device, session_key, session, now, ended, { reason = 'device_decommissioned', commands = 'cancelled' })
  end
  free_device(device, session)
end
finish_unclaimed(device, now, 'cancelled', { data = { reason = 'device_decommissioned' } })
emit(device, now, 'device.decommissioned', { data = reason_data(reason) })
return ok(activation or '', registration or '')
