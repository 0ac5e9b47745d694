-- This fragment refuses the calls of a device that need a live lease.
--@include device/login_check
--@include command
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

-- leased_command checks the login of a device, and returns the state of a command if token_hash
-- belongs to its newest claim and the lease has not ended. Otherwise it returns nil and a refusal.
--   arg  index in ARGV of the arguments of the check of the login
local function leased_command(device, id, token_hash, now, arg)
  local refused = check_login(device.record, device.tenant, now, 14, arg)
  if refused then
    return nil, refused
  end
  local c = load_command(device, id)
  if not c then
    return nil, refuse('command_not_found')
  end
  settle(device, id, c, now)
  refused = lost_lease(device, c, token_hash)
  if refused then
    return nil, refused
  end
  return c
end
