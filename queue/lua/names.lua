-- This fragment erases the names of a user from the state of a command.

-- erase_from removes the fields with the names of a user. It returns false if there are none.
local function erase_from(t, name, email)
  local erased = t[name] ~= nil or t[email] ~= nil
  t[name], t[email] = nil, nil
  return erased
end

-- erase_names removes the names of the actor from the state: as its proposer, as one of its approvers
-- and as a reviewer. It returns false, and changes nothing, if the state has none of them. The ids stay,
-- because rules and MACs depend on them.
local function erase_names(c, actor)
  local erased = c.proposer == actor and erase_from(c, 'proposer_name', 'proposer_email')
  local function erase(act)
    if act and act.by == actor then
      erased = erase_from(act, 'name', 'email') or erased
    end
  end
  erase(c.approval)
  erase(c.glass)
  for _, vote in ipairs(c.votes or {}) do
    erase(vote)
  end
  if c.glass and c.glass.reviewer == actor then
    erased = erase_from(c.glass, 'reviewer_name', 'reviewer_email') or erased
  end
  return erased
end
