-- erase_answer_names erases the names of a user from the stored answer to a proposal.
-- KEYS[1]  the stored answer
-- ARGV[1]  the user as an actor, such as "user:alice"
-- ARGV[2]  "1" for a dry run, which changes nothing
-- Returns {"ok", "", 1 if the answer had a name, 1 if the command in it is invalid}
-- Guarantees that the answer to another request stays as it is, that a repeated proposal gets the same
-- command as before, and that the answer expires when it would have.
--@include store/base
--@include store/reply
--@include command
--@include names
local answer_key, actor, dry_run = KEYS[1], ARGV[1], ARGV[2] == '1'

local stored = redis.call('GET', answer_key) or ''
local start = string.find(stored, '{', 1, true) or #stored + 1
local readable, answer = pcall(cjson.decode, string.sub(stored, start))
if not readable or type(answer.state) ~= 'string' then
  return ok(0, 0)
end
local c = parse_command({}, answer.state)
if not c then
  return ok(0, 1)
elseif not erase_names(c, actor) then
  return ok(0, 0)
end
if not dry_run then
  answer.state = encode_command(c)
  redis.call('SET', answer_key, string.sub(stored, 1, start - 1) .. cjson.encode(answer), 'KEEPTTL')
end
return ok(1, 0)
