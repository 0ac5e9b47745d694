-- This fragment limits rates with GCRA, the generic cell rate algorithm: the key of a limit
-- holds the theoretical arrival time of its next request.
--@include store/base

-- take counts one request against a limit. It returns 0 for a request that conforms, else
-- the milliseconds until it would. A request that does not conform counts for nothing.
--   interval  ms between requests at the sustained rate, may be a fraction
--   burst     the number of requests that may arrive at once
local function take(key, now, interval, burst)
  local arrival = math.max(tonumber(redis.call('GET', key) or 0), now)
  local wait = arrival + interval - interval * burst - now
  if wait > 0 then
    return math.ceil(wait)
  end
  -- The key lives one second longer than it counts: the embedded server ages keys in
  -- steps, and must not drop a limit too early.
  redis.call('SET', key, string.format('%.3f', arrival + interval), 'PX', ms(math.ceil(arrival + interval - now) + 1000))
  return 0
end
