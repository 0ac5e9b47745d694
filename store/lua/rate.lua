-- This fragment limits rates with GCRA, the generic cell rate algorithm. The value of a
-- limit's key is the theoretical arrival time of its next request.
--@include store/base

-- ROUNDING is the maximum difference in ms between a stored arrival and the exact one.
local ROUNDING = 1

-- take counts the cost of one request against a limit. It returns 0 for a request that
-- conforms, else the milliseconds until it would. A request that does not conform counts
-- for nothing. A cost above the burst counts as the burst.
--   interval  ms between requests of cost 1 at the sustained rate, may be a fraction
--   burst     the cost that may arrive at once
-- No arrival is stored beyond now + interval * burst. A later one was stored before the
-- clock was set back: it counts as a used-up burst, and refuses no request until the old
-- time has come.
local function take(key, now, interval, burst, cost)
  cost = math.min(cost, burst)
  local latest = now + interval * (burst - cost) -- the latest arrival that conforms
  local arrival = math.max(tonumber(redis.call('GET', key) or 0), now)
  if arrival > now + interval * burst + ROUNDING then
    arrival = latest
  end
  if arrival > latest then
    return math.ceil(arrival - latest)
  end
  arrival = arrival + interval * cost
  -- The key lives one second longer than it counts: the embedded server ages keys in
  -- steps, and must not drop a limit too early.
  redis.call('SET', key, string.format('%.3f', arrival), 'PX', ms(math.ceil(arrival - now) + 1000))
  return 0
end
