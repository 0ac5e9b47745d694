-- allow counts one request against a rate limit.
-- KEYS  1 the limit
-- ARGV  1 ms between requests at the sustained rate, 2 the number of requests that may
--       arrive at once
-- Returns {"ok", ""}
-- Refuses with rate_limited and the ms to wait
-- Guarantees that a refused request counts for nothing.
--@include store/base
--@include store/rate
--@include store/reply
local limit_key = KEYS[1]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])

local wait = take(limit_key, clock(), interval, burst)
if wait > 0 then
  return refuse('rate_limited', wait)
end
return ok()
