-- Keeps a ticket until it is redeemed.
-- KEYS  1 the ticket
-- ARGV  1 what it stands for, 2 ms for which it is good, 3 when the token ends that
--       it was bought with, in Unix ms
-- Returns {"ok", good until in Unix ms}, or {"unauthorized"} when that token has ended
-- Guarantees that no ticket outlives the token that it was bought with.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local lives = math.min(tonumber(ARGV[2]), tonumber(ARGV[3]) - now)
if lives <= 0 then
  return { 'unauthorized' }
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', string.format('%.0f', lives))
return { 'ok', now + lives }
