-- set_limits changes the limits of a tenant. A script may do so in a full store, in which an operator
-- bounds a tenant.
-- KEYS[1]    the tenant's usage record
-- ARGV[1..]  for each limit: its field and its value; "" to remove the limit
-- Returns {"ok", ""}
-- Guarantees that the other limits stay as they are.
--@include store/reply
for i = 1, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
return ok()
