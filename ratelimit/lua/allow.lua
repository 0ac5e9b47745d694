-- allow counts the cost of one request against a rate limit.
-- KEYS[1]  the rate limit
-- ARGV[1]  time between requests of cost 1 at the sustained rate, in ms
-- ARGV[2]  total cost of the requests that may arrive at once
-- ARGV[3]  cost of this request
-- Returns {"ok", ""}
-- Refuses with rate_limited and the time to wait, in ms
-- Guarantees that a refused request does not count against the limit.
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
