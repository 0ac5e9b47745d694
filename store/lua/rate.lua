-- This fragment limits rates with GCRA, the generic cell rate algorithm. The value of a
-- limit's key is the theoretical arrival time of its next request.
--@include store/base

-- take counts one request against a limit. If the request conforms, it returns 0.
-- Otherwise it returns the milliseconds until a request would conform, and does not count
-- this one.
--   interval  ms between requests at the sustained rate, may be a fraction
--   burst     the number of requests that may arrive at once
local function take(key, now, interval, burst)
  local arrival = math.max(tonumber(redis.call('GET', key) or 0), now)
  local wait = arrival + interval - interval * burst - now
  if wait > 0 then
    return math.ceil(wait)
  end
  -- The key lives one second longer than the limit needs it. The embedded server expires
  -- keys in steps, and must not drop a limit too early.
  redis.call('SET', key, string.format('%.3f', arrival + interval), 'PX', ms(math.ceil(arrival + interval - now) + 1000))
  return 0
end
