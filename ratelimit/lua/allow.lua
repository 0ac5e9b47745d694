-- allow counts the cost of one request against a rate limit, and of a batch of further requests.
-- KEYS[1]  the rate limit
-- ARGV[1]  time between requests of cost 1 at the sustained rate, in ms
-- ARGV[2]  total cost of the requests that may arrive at once
-- ARGV[3]  cost of this request
-- ARGV[4]  cost of the further requests; 0 for none
-- Returns {"ok", "", cost of the further requests that were counted: all or 0}
-- Refuses with rate_limited and the time to wait, in ms
-- Guarantees that a refused request does not count against the limit, and that a request is not
-- refused because of the further ones.
--@include store/base
--@include store/rate
--@include store/reply
local limit_key = KEYS[1]
local interval, burst, cost, batch = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = clock()

local wait = take(limit_key, now, interval, burst, cost)
if wait > 0 then
  return refuse('rate_limited', wait)
end
if batch > 0 and take(limit_key, now, interval, burst, batch) > 0 then
  batch = 0
end
return ok(batch)
