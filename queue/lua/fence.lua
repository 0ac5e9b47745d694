-- This fragment is the fence: a device may change a command only with the newest claim
-- token. The token decides, not the time.
--@include store/reply

-- PAST_LENGTH bounds the hashes of earlier tokens, in characters: twenty of 32 characters,
-- each with a space.
local PAST_LENGTH = 20 * 33

-- replace_token makes token_hash the newest claim token. It remembers the previous token.
-- The fence can then distinguish a superseded claim from a token that never belonged to
-- the command.
local function replace_token(c, token_hash)
  if c.token then
    c.past = string.sub((c.past or '') .. ' ' .. c.token, -PAST_LENGTH)
  end
  c.token, c.returned = token_hash, nil
end

-- fence returns nil if token_hash is the command's newest claim token, and a refusal for
-- any other token.
local function fence(device, c, token_hash)
  if c.token == token_hash and not c.returned then
    return nil
  end
  if c.token == token_hash or (c.past and string.find(c.past, token_hash, 1, true)) then
    return refuse('claim_superseded', device.state)
  end
  return refuse('invalid_claim_token', device.state)
end

-- lease_expired reports whether the newest claim ended because its lease expired, and no
-- result was submitted. Its device may then still submit one. Call lease_expired after
-- settle.
local function lease_expired(c)
  return not c.result and (c.status == 'queued' or c.status == 'timed_out')
end
