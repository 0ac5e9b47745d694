-- erase_opened_names erases the names of a user from the stored answer to the opening of a session.
-- KEYS[1]  the stored answer
-- ARGV[1]  the user as an actor, such as "user:alice"
-- ARGV[2]  "1" for a dry run, which changes nothing
-- Returns {"ok", "", 1 if the answer had a name}
-- Guarantees that the answer to another request stays as it is, that a repeated request gets the same
-- session as before, and that the answer expires when it would have.
--@include store/base
--@include store/reply
--@include store/stored_answer
local answer_key, actor, dry_run = KEYS[1], ARGV[1], ARGV[2] == '1'

-- erase_created removes the names of the actor from the record of a session, a list of fields and
-- values, as the user who has opened it. It reports whether the record had one.
local function erase_created(record)
  local at = {} -- index of the value of each field
  for i = 1, #record, 2 do
    at[record[i]] = i + 1
  end
  local erased = false
  for _, field in ipairs({ 'created_name', 'created_email' }) do
    if record[at.created_by] == actor and at[field] and record[at[field]] ~= '' then
      record[at[field]], erased = '', true
    end
  end
  return erased
end

local erased = 0
edit_stored_answer(answer_key, dry_run, function(answer)
  if type(answer.record) == 'table' and erase_created(answer.record) then
    erased = 1
  end
  return erased == 1
end)
return ok(erased)
