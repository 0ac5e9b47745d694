-- Says that sockets of people of one tenant are still there.
-- KEYS  1 the tenant's index of connections, 2 and on the connections' records
-- ARGV  1 ms that they count as there, then the id and the record of each
-- Returns {"ok", the ids of those that somebody has ended}
-- Guarantees that a registration which was lost, in an outage or with the store's data,
-- is there again.
--@include connection
local ended = {}
for i = 2, #KEYS do
  local id, record = ARGV[2 * i - 2], ARGV[2 * i - 1]
  if redis.call('GET', KEYS[i]) == KICKED then
    ended[#ended + 1] = id
  else
    register({ record = KEYS[i], index = KEYS[1] }, id, record, ARGV[1])
  end
end
return { 'ok', ended }
