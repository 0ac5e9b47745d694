-- replace_fields replaces values of a hash, except for those that have changed since they were read.
-- KEYS[1]    the hash
-- ARGV[1..]  for each field: its name, the value that was read and the new one
-- Returns {"ok", "", number of values that were replaced}
-- Guarantees that no change that another call has made meanwhile is lost.
--@include store/reply
local hash_key = KEYS[1]

local replaced = 0
for i = 1, #ARGV, 3 do
  if redis.call('HGET', hash_key, ARGV[i]) == ARGV[i + 1] then
    redis.call('HSET', hash_key, ARGV[i], ARGV[i + 2])
    replaced = replaced + 1
  end
end
return ok(replaced)
