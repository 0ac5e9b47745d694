-- check verifies a login token, renews its login and counts the request. It runs for every
-- request of a device.
-- KEYS[1]  the device's record
-- KEYS[2]  the login's record
-- KEYS[3]  the device's rate limit
-- ARGV[1]  lifetime of an unused login, in ms
-- ARGV[2]  a renewal is written if it extends the login by more than this time, in ms
-- ARGV[3]  minimum interval between two writes of last_seen, in ms
-- ARGV[4]  interval between requests at the sustained rate, in ms; 0 means no limit
-- ARGV[5]  burst of the rate limit, in requests
-- ARGV[6]  time for which the device counts as online after a request, in ms
-- Returns {"ok", "", tenant, expiry of the login, epoch}
-- Refuses with unauthorized, or with rate_limited and the ms to wait
-- Guarantees that a login is valid only while its device is active, the epoch is unchanged, and
-- neither its idle time nor its maximum lifetime has passed. The number of writes is bounded,
-- however often a device sends requests.
--@include store/base
--@include store/rate
--@include store/reply
local record_key, login_key, rate_key = KEYS[1], KEYS[2], KEYS[3]
local idle, min_renewal, seen_every = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local interval, burst, online_for = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local now = clock()

local login_epoch, expires, ends = read_fields(login_key, 'epoch', 'expires', 'ends')
expires = tonumber(expires)
if not login_epoch or expires <= now then
  return refuse('unauthorized')
end
local tenant, status, epoch, last_seen, connection_until, online_until =
  read_fields(record_key, 'tenant', 'status', 'epoch', 'last_seen', 'connection_until', 'online_until')
if status ~= 'active' or epoch ~= login_epoch then
  return refuse('unauthorized')
end
if interval > 0 then
  local wait = take(rate_key, now, interval, burst, 1)
  if wait > 0 then
    return refuse('rate_limited', wait)
  end
end

local renewed = math.min(now + idle, tonumber(ends))
if renewed - expires > min_renewal then
  expires = renewed
  redis.call('HSET', login_key, 'expires', ms(expires))
  redis.call('PEXPIREAT', login_key, ms(expires))
end
local went_offline = tonumber(online_until or 0) <= now
if went_offline or tonumber(last_seen or 0) + seen_every < now then
  redis.call('HSET', record_key, 'last_seen', ms(now))
  -- While the device has a socket, the lease of the socket determines online_until.
  if tonumber(connection_until or 0) <= now then
    redis.call('HSET', record_key, 'online_until', ms(now + online_for))
  end
end
return ok(tenant, expires, login_epoch)
