-- erase_opened_names erases the names of a user from the stored answer to the opening of a session.
-- KEYS[1]  the stored answer
-- ARGV[1]  the user as an actor, such as "user:alice"
-- ARGV[2]  "1" for a dry run, which changes nothing
-- Returns {"ok", "", 1 if the answer had a name}
-- Guarantees that the answer to another request stays as it is, that a repeated request gets the same
-- session as before, and that the answer expires when it would have.
--@include store/base
--@include store/reply
local answer_key, actor, dry_run = KEYS[1], ARGV[1], ARGV[2] == '1'

local stored = redis.call('GET', answer_key) or ''
local start = string.find(stored, '{', 1, true) or #stored + 1
local readable, answer = pcall(cjson.decode, string.sub(stored, start))
if not readable or type(answer.record) ~= 'table' then
  return ok(0)
end
local at = {} -- index of the value of each field
for i = 1, #answer.record, 2 do
  at[answer.record[i]] = i + 1
end
if answer.record[at.created_by] ~= actor then
  return ok(0)
end
local erased = 0
for _, field in ipairs({ 'created_name', 'created_email' }) do
  if at[field] and answer.record[at[field]] ~= '' then
    answer.record[at[field]], erased = '', 1
  end
end
if erased == 1 and not dry_run then
  redis.call('SET', answer_key, string.sub(stored, 1, start - 1) .. cjson.encode(answer), 'KEEPTTL')
end
return ok(erased)
