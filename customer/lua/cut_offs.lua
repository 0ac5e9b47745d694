-- This fragment compares a token with the cut-offs of its tenant.
--@include store/base

-- cut_off_subject returns the member of a tenant's cut-offs for a user, or for one of the user's
-- sessions at the issuer if session is not empty. Neither id contains a space. The Go function
-- subjectOf returns the same.
local function cut_off_subject(actor, session)
  return session == '' and actor or actor .. ' ' .. session
end

-- is_cut_off reports whether the user or the issuer's session of a token was cut off at the time
-- since or later, in Unix ms. The session is empty if the token names none.
local function is_cut_off(cut_offs_key, actor, session, since)
  for _, subject in ipairs({ actor, cut_off_subject(actor, session) }) do
    local at = redis.call('ZSCORE', cut_offs_key, subject)
    if at and tonumber(at) >= since then
      return true
    end
  end
  return false
end
