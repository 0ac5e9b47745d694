-- The fence: a device may write only under the newest claim token of a command.
-- Identity decides, not time.
--@include store/device
--@include command
local PAST = 20 * 33 -- characters: the last twenty hashes and the spaces between

-- Puts a new claim token in force. The one before it is remembered, to tell a
-- device that it was superseded from one that never held the command.
local function hand_over(c, hash)
  if c.token then
    c.past = string.sub((c.past or '') .. ' ' .. c.token, -PAST)
  end
  c.token, c.returned = hash, nil
end

-- Answers "ok" for the newest token, else the code of the refusal.
local function fence(c, hash)
  if c.token == hash and not c.returned then
    return 'ok'
  end
  if c.token == hash or (c.past and string.find(c.past, hash, 1, true)) then
    return 'claim_superseded'
  end
  return 'invalid_claim_token'
end
