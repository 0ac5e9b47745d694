-- check verifies a login token, renews its login and counts the request. Every request of a
-- device runs it.
-- KEYS  1 the device's record, 2 the login's record, 3 the device's rate limit
-- ARGV  1 ms that an unused login lives, 2 ms by which a renewal must move the end of the
--       login to be written, 3 ms between two writes of last_seen, 4 ms between requests at
--       the limit's sustained rate, 0 for no limit, 5 the limit's burst, 6 ms that the
--       device counts as online after a request, 7 the request's cost
-- Returns {"ok", "", tenant, expires, epoch}
-- Refuses with unauthorized, or rate_limited with the ms to wait
-- Guarantees that no login outlives its epoch, its device's activity, its idle time or its
-- absolute end. The writes are bounded, however often a device sends requests.
--@include store/base
--@include store/rate
--@include store/reply
local record_key, login_key, rate_key = KEYS[1], KEYS[2], KEYS[3]
local idle, min_renewal, seen_every = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local interval, burst, online_for = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local cost = tonumber(ARGV[7])
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
  local wait = take(rate_key, now, interval, burst, cost)
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
  -- The lease of a live socket decides how long its device is online.
  if tonumber(connection_until or 0) <= now then
    redis.call('HSET', record_key, 'online_until', ms(now + online_for))
  end
end
return ok(tenant, expires, login_epoch)
