-- This fragment counts the votes on a command. The decision that ended the wait is in `approval`. The
-- approvals before it are in `votes`, so that a command that one user approves has none.

-- count_votes returns the number of distinct users who have approved the command, without its proposer.
local function count_votes(c)
  local seen, count = { [c.proposer] = true }, 0
  local function add(vote)
    if not seen[vote.by] then
      seen[vote.by], count = true, count + 1
    end
  end
  for _, vote in ipairs(c.votes or {}) do
    add(vote)
  end
  if c.approval and c.approval.decision == 'approved' then
    add(c.approval)
  end
  return count
end

-- has_voted reports whether the votes before the last one include that of the actor.
local function has_voted(c, actor)
  for _, vote in ipairs(c.votes or {}) do
    if vote.by == actor then
      return true
    end
  end
  return false
end

-- remove_votes removes the votes of the actor from those before the last one. An empty list is not kept,
-- because JSON in Lua does not distinguish it from an empty object.
local function remove_votes(c, actor)
  local kept = {}
  for _, vote in ipairs(c.votes or {}) do
    if vote.by ~= actor then
      kept[#kept + 1] = vote
    end
  end
  c.votes = #kept > 0 and kept or nil
end

-- add_vote adds a vote that does not end the wait.
local function add_vote(c, vote)
  c.votes = c.votes or {}
  c.votes[#c.votes + 1] = vote
end

-- reopen removes the decision of a command that must wait again. An approval stays as a vote, unless it
-- was one without the others.
local function reopen(c)
  local last = c.approval
  c.approval = nil
  if last and last.decision == 'approved' and not last.glass then
    last.decision = nil
    add_vote(c, last)
  end
end

-- needs_review reports whether an admin has approved the command alone, and no other user has reviewed
-- that yet. The approval tells even if the mark was removed from the record.
local function needs_review(c)
  if c.glass then
    return c.glass.reviewed == nil
  end
  return c.approval ~= nil and c.approval.glass == true
end
