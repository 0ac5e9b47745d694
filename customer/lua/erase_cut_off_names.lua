-- erase_cut_off_names erases the names of a user from the cut-offs that the user has made.
-- KEYS[1]    the details of the tenant's cut-offs
-- ARGV[1]    the user as an actor, such as "user:alice"
-- ARGV[2...] members of the tenant's cut-offs
-- Returns {"ok", "", number of cut-offs that had a name}
-- Guarantees that a cut-off keeps everything else, also if another user has made it again since the
-- caller has read it.
--@include store/reply
local details_key, actor = KEYS[1], ARGV[1]
local SUBJECTS = 2 -- index of the first cut-off in ARGV

local erased = 0
for i = SUBJECTS, #ARGV do
  local readable, detail = pcall(cjson.decode, redis.call('HGET', details_key, ARGV[i]) or '{}')
  readable = readable and type(detail) == 'table'
  if readable and detail.by == actor and ((detail.name or '') ~= '' or (detail.email or '') ~= '') then
    detail.name, detail.email = '', ''
    redis.call('HSET', details_key, ARGV[i], cjson.encode(detail))
    erased = erased + 1
  end
end
return ok(erased)
