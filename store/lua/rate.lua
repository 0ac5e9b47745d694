-- This fragment limits rates with GCRA, the generic cell rate algorithm. The key of a
-- limit holds the theoretical arrival time of the next request.
--@include store/base

-- ROUNDING is the maximum rounding error of a stored arrival time, in ms.
local ROUNDING = 1

-- take counts the cost of one request against a limit. It returns 0 for a request that
-- conforms to the limit. For any other request it returns the milliseconds until the
-- request would conform, and counts nothing. A cost above the burst counts as the burst.
--   interval  ms between requests of cost 1 at the sustained rate; may be a fraction
--   burst     the maximum cost of requests that arrive at once
-- If the clock was set back, the stored arrival time may be later than
-- now + interval * burst. take then treats the burst as used up. Otherwise it would refuse
-- all requests until the clock reaches the old time.
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
  -- The key expires one second late, because the embedded server expires keys in steps
  -- and must not drop a limit too early.
  redis.call('SET', key, string.format('%.3f', arrival), 'PX', ms(math.ceil(arrival - now) + 1000))
  return 0
end
