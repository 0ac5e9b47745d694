-- Takes one from a rate limit (GCRA: the key holds the theoretical arrival time
-- of the next request). Answers 0 when the request conforms, else the
-- milliseconds until it would. Needs: device.
--   interval  ms between requests at the sustained rate, may be a fraction
--   burst     how many may come at once
local function take(key, now, interval, burst)
  local arrival = tonumber(redis.call('GET', key) or 0)
  if arrival < now then
    arrival = now
  end
  local wait = arrival + interval - interval * burst - now
  if wait > 0 then
    return math.ceil(wait)
  end
  -- The key outlives its worth by a second: the embedded server ages keys in
  -- steps, and must not forget a limit before its time.
  redis.call('SET', key, string.format('%.3f', arrival + interval), 'PX', ms(math.ceil(arrival + interval - now) + 1000))
  return 0
end
