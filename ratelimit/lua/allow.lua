-- allow counts the cost of one request against a rate limit.
-- KEYS  1 the limit
-- ARGV  1 ms between requests of cost 1 at the sustained rate, 2 the cost that may arrive at
--       once, 3 the cost of the request
-- Returns {"ok", ""}
-- Refuses with rate_limited and the ms to wait
-- Guarantees that a refused request counts for nothing.
--@include store/base
--@include store/rate
--@include store/reply
local limit_key = KEYS[1]
local interval, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local wait = take(limit_key, clock(), interval, burst, cost)
if wait > 0 then
  return refuse('rate_limited', wait)
end
return ok()
