-- This fragment is the fence: a device may write only under the newest claim token of a
-- command. Identity decides, not time.
--@include store/reply

-- PAST_LENGTH bounds the hashes of earlier tokens, in characters: twenty of 32 characters,
-- each with a space.
local PAST_LENGTH = 20 * 33

-- replace_token makes a claim token the newest. The one before it is remembered, so that
-- the fence can tell a superseded claim from a token that never belonged to the command.
local function replace_token(c, token_hash)
  if c.token then
    c.past = string.sub((c.past or '') .. ' ' .. c.token, -PAST_LENGTH)
  end
  c.token, c.returned = token_hash, nil
end

-- fence returns nil for the newest claim token of a command, else the refusal.
local function fence(device, c, token_hash)
  if c.token == token_hash and not c.returned then
    return nil
  end
  if c.token == token_hash or (c.past and string.find(c.past, token_hash, 1, true)) then
    return refuse('claim_superseded', device.state)
  end
  return refuse('invalid_claim_token', device.state)
end

-- lease_expired reports whether the newest claim ended because its lease expired and its
-- device may still submit a result. Call it after settle.
local function lease_expired(c)
  return not c.result and (c.status == 'queued' or c.status == 'timed_out')
end
