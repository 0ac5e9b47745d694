-- heartbeat records that a device is alive, and the state that the device reports.
-- KEYS[1..13]  the device's key set, as store.Device.Keys returns it
-- KEYS[14..15] the login's record and the device's rate limit
-- ARGV[1..5]   the scope, as store.Scope.Args returns it
-- ARGV[6]      the reported state
-- ARGV[7]      the metrics, as JSON
-- ARGV[8]      the firmware version, or "" if the device did not report it
-- ARGV[9]      time for which the device counts as online after the heartbeat, in ms
-- ARGV[10]     the reason of the state, or "" for none
-- ARGV[11..17] the arguments of the check of the login
-- Returns {"ok", events, now, length of the ready set, {ids of claimed commands that a user
--         has asked to cancel}}
-- Refuses with unauthorized, and with rate_limited as login_check does
-- Guarantees that only an active device of the tenant writes anything. A second instance of the
-- device is noticed.
--@include store/base
--@include store/device
--@include store/reply
--@include instances
--@include login_check
--@include presence
local device = device_at(1, 1)
local reported_status, metrics, firmware, online_for = ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9])
local reason = ARGV[10]
local now = clock()

local refused, _, _, instance = check_login(device.record, device.tenant, now, 14, 11)
if refused then
  return refused
end

local tenant, status, connection_until, earlier_reason =
  read_fields(device.record, 'tenant', 'status', 'connection_until', 'heartbeat_reason')
if tenant ~= device.tenant or status ~= 'active' then
  return refuse('unauthorized', 'device_inactive')
end
note_instance(device, now, instance or '', '')
redis.call('HSET', device.record, 'heartbeat', ms(now), 'heartbeat_status', reported_status, 'metrics', metrics)
if reason ~= '' then
  redis.call('HSET', device.record, 'heartbeat_reason', reason)
elseif earlier_reason then
  redis.call('HDEL', device.record, 'heartbeat_reason')
end
-- While a device has a socket, the lease of the socket determines online_until.
local socket_until = tonumber(connection_until or 0)
mark_online(device, now, socket_until > now and socket_until or now + online_for)
if firmware ~= '' then
  redis.call('HSET', device.record, 'firmware', firmware)
end
return ok(now, redis.call('ZCARD', device.ready), redis.call('SMEMBERS', device.cancels))
