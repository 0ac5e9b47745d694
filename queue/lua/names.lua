-- This fragment erases the names of a user from the state of a command.

-- erase_names removes the names of the actor from the state, as its proposer and as its approver. It
-- returns false, and changes nothing, if the state has none of them. The ids stay, because rules and
-- MACs depend on them.
local function erase_names(c, actor)
  local erased = false
  if c.proposer == actor and (c.proposer_name or c.proposer_email) then
    c.proposer_name, c.proposer_email, erased = nil, nil, true
  end
  local approval = c.approval
  if approval and approval.by == actor and (approval.name or approval.email) then
    approval.name, approval.email, erased = nil, nil, true
  end
  return erased
end
