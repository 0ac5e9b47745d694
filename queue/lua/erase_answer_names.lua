-- erase_answer_names erases the names of a user from the stored answer to a proposal.
-- KEYS[1]  the stored answer
-- ARGV[1]  the user as an actor, such as "user:alice"
-- ARGV[2]  "1" for a dry run, which changes nothing
-- Returns {"ok", "", 1 if the answer had a name, 1 if the command in it is invalid}
-- Guarantees that the answer to another request stays as it is, that a repeated proposal gets the same
-- command as before, and that the answer expires when it would have.
--@include store/base
--@include store/reply
--@include store/stored_answer
--@include command
--@include names
local answer_key, actor, dry_run = KEYS[1], ARGV[1], ARGV[2] == '1'

local erased, invalid = 0, 0
edit_stored_answer(answer_key, dry_run, function(answer)
  if type(answer.state) ~= 'string' then
    return false
  end
  local c = parse_command({}, answer.state)
  if not c then
    invalid = 1
  elseif erase_names(c, actor) then
    answer.state, erased = encode_command(c), 1
  end
  return erased == 1
end)
return ok(erased, invalid)
