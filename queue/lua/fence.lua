-- This fragment checks claim tokens. A device may change a command only with the newest claim
-- token. The fence does not check whether the lease has expired.
--@include store/reply

-- PAST_LENGTH is the maximum length of c.past, in characters: twenty hashes of 32 characters,
-- each with a space.
local PAST_LENGTH = 20 * 33

-- replace_token makes token_hash the newest claim token. It moves the previous token's hash to
-- c.past, so that the fence can distinguish a superseded claim from a token that never
-- belonged to the command.
local function replace_token(c, token_hash)
  if c.token then
    c.past = string.sub((c.past or '') .. ' ' .. c.token, -PAST_LENGTH)
  end
  c.token, c.returned = token_hash, nil
end

-- fence returns nil if token_hash belongs to the newest claim and this claim was not released.
-- Otherwise it returns a refusal.
local function fence(device, c, token_hash)
  if c.token == token_hash and not c.returned then
    return nil
  end
  if c.token == token_hash or (c.past and string.find(c.past, token_hash, 1, true)) then
    return refuse('claim_superseded', device.state)
  end
  return refuse('invalid_claim_token', device.state)
end

-- lease_expired reports whether both hold: the newest lease has expired, and no result was
-- submitted. The device may then still submit a result. Call lease_expired after settle.
local function lease_expired(c)
  return not c.result and (c.status == 'queued' or c.status == 'timed_out')
end
