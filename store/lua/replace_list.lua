-- replace_list replaces the first elements of a list, unless they have changed since they were read.
-- KEYS[1]    the list
-- ARGV[1..]  for each element: the one that was read and the new one
-- Returns {"ok", "", number of elements that were replaced}
-- Guarantees that elements that were added meanwhile stay, and that all are replaced or none.
--@creates
--@include store/reply
local list_key = KEYS[1]

local elements = redis.call('LRANGE', list_key, 0, -1)
for i = 1, #ARGV / 2 do
  if elements[i] ~= ARGV[2 * i - 1] then
    return ok(0)
  end
  elements[i] = ARGV[2 * i]
end
redis.call('DEL', list_key)
for _, element in ipairs(elements) do
  redis.call('RPUSH', list_key, element)
end
return ok(#ARGV / 2)
