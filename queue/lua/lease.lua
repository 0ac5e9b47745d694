-- This fragment refuses the calls of a device that need a live lease.
--@include fence
--@include store/reply

-- lost_lease returns nil if token_hash belongs to the newest claim and its lease has not ended.
-- Otherwise it returns a refusal. Call lost_lease after settle.
local function lost_lease(device, c, token_hash)
  local refused = fence(device, c, token_hash)
  if refused then
    return refused
  elseif lease_expired(c) then
    return refuse('claim_expired', device.state)
  elseif c.status ~= 'claimed' then
    return refuse('command_finished', device.state)
  end
end
