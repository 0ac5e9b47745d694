-- Finds out whether a token is good, on every request of a device.
-- KEYS  1 the device's record, 2 the login's record, 3 the device's rate limit
-- ARGV  1 ms the login lives unused, 2 ms by which a renewal has to move its end to
--       be written, 3 ms after which it is written again that the device was seen,
--       4 ms between requests at the limit's sustained rate, or 0 for no limit,
--       5 how many requests may come at once, 6 ms for which the device counts as
--       online after this
-- Returns {"ok", events, tenant, expires, epoch}, or {"unauthorized"}, or
--       {"rate_limited", "", ms to wait}
-- Guarantees that no login outlives its epoch, its device's activity, its idle
-- time or its end; the writes are bounded, however often a device asks.
--@include store/device
--@include store/rate
local now = clock()

local l = redis.call('HMGET', KEYS[2], 'epoch', 'expires', 'ends')
if not l[1] or tonumber(l[2]) <= now then
  return { 'unauthorized' }
end
local r = redis.call('HMGET', KEYS[1], 'tenant', 'status', 'epoch', 'last_seen', 'connection_until', 'online_until')
if r[2] ~= 'active' or r[3] ~= l[1] then
  return { 'unauthorized' }
end
if tonumber(ARGV[4]) > 0 then
  local wait = take(KEYS[3], now, tonumber(ARGV[4]), tonumber(ARGV[5]))
  if wait > 0 then
    return { 'rate_limited', '', wait }
  end
end

local expires = tonumber(l[2])
local renewed = math.min(now + tonumber(ARGV[1]), tonumber(l[3]))
if renewed - expires > tonumber(ARGV[2]) then
  expires = renewed
  redis.call('HSET', KEYS[2], 'expires', ms(expires))
  redis.call('PEXPIREAT', KEYS[2], ms(expires))
end
local faded = tonumber(r[6] or 0) <= now
if faded or tonumber(r[4] or 0) + tonumber(ARGV[3]) < now then
  redis.call('HSET', KEYS[1], 'last_seen', ms(now))
  -- While a socket of the device lives, that is what counts.
  if tonumber(r[5] or 0) <= now then
    redis.call('HSET', KEYS[1], 'online_until', ms(now + tonumber(ARGV[6])))
  end
end
return { 'ok', '', r[1], expires, l[1] }
