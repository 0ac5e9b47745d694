-- Takes one from a rate limit.
-- KEYS  1 the limit
-- ARGV  1 ms between requests at the sustained rate, 2 how many may come at once
-- Returns {"ok"} or {"rate_limited", "", ms to wait}
-- Guarantees that a refused request takes nothing.
--@include store/device
--@include store/rate
local wait = take(KEYS[1], clock(), tonumber(ARGV[1]), tonumber(ARGV[2]))
if wait > 0 then
  return { 'rate_limited', '', wait }
end
return { 'ok' }
