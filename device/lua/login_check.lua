-- This fragment checks the login of a device, before a transition or on its own.
--   login:   epoch    epoch of the device at which the login was opened
--            expires  end of the login if it is not used again, in Unix ms
--            ends     end of the login at the latest, in Unix ms
--            instance id of the instance that opened the login; absent if it named none
--@include store/base
--@include store/rate
--@include store/reply

-- mark_seen records the time of a request, but not for every request of a busy device.
local function mark_seen(record_key, now, seen_every, online_for, last_seen, connection_until, online_until)
  if tonumber(online_until or 0) > now and tonumber(last_seen or 0) + seen_every >= now then
    return
  end
  redis.call('HSET', record_key, 'last_seen', ms(now))
  -- While the device has a socket, the lease of the socket determines online_until.
  if tonumber(connection_until or 0) <= now then
    redis.call('HSET', record_key, 'online_until', ms(now + online_for))
  end
end

-- check_login returns nil if the login is valid, and otherwise the refusal: unauthorized and the
-- reason for the log, or rate_limited and the ms to wait. It counts the request, renews the login
-- and records the time as last seen. It writes nothing before a refusal.
--   tenant  the tenant that the device must belong to; nil if the caller does not know it
--   key     index in KEYS of the login's record, which the device's rate limit follows
--   arg     index in ARGV of the arguments that store.LoginCheck.Args returns:
--           0  cost of the request; 0 if the request was counted before, and empty for no check
--           1  lifetime of an unused login, in ms
--           2  a renewal is written if it extends the login by more than this time, in ms
--           3  minimum interval between two writes of last_seen, in ms
--           4  interval between requests at the sustained rate, in ms; 0 means no limit
--           5  burst of the rate limit, in requests
--           6  time for which the device counts as online after a request, in ms
-- The second value is the device's tenant, the third the expiry of the login, and the fourth the id of
-- the instance that opened the login, or "".
local function check_login(record_key, tenant, now, key, arg)
  local login_key, rate_key = KEYS[key], KEYS[key + 1]
  local cost = tonumber(ARGV[arg])
  if not cost then
    return nil
  end
  local login_epoch, expires, ends, instance = read_fields(login_key, 'epoch', 'expires', 'ends', 'instance')
  expires = tonumber(expires)
  if not login_epoch then
    return refuse('unauthorized', 'unknown')
  elseif expires <= now then
    return refuse('unauthorized', 'expired')
  end
  local owner, status, epoch, last_seen, connection_until, online_until =
    read_fields(record_key, 'tenant', 'status', 'epoch', 'last_seen', 'connection_until', 'online_until')
  if status ~= 'active' or owner ~= (tenant or owner) then
    return refuse('unauthorized', 'device_inactive')
  elseif epoch ~= login_epoch then
    return refuse('unauthorized', 'revoked')
  elseif cost == 0 then
    return nil, owner, expires, instance or ''
  end
  local interval, burst = tonumber(ARGV[arg + 4]), tonumber(ARGV[arg + 5])
  if interval > 0 then
    local wait = take(rate_key, now, interval, burst, cost)
    if wait > 0 then
      return refuse('rate_limited', wait)
    end
  end
  local renewed = math.min(now + tonumber(ARGV[arg + 1]), tonumber(ends))
  if renewed - expires > tonumber(ARGV[arg + 2]) then
    expires = renewed
    redis.call('HSET', login_key, 'expires', ms(expires))
    redis.call('PEXPIREAT', login_key, ms(expires))
  end
  mark_seen(record_key, now, tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 6]), last_seen, connection_until, online_until)
  return nil, owner, expires, instance or ''
end
