-- This fragment claims the first commands of a device's ready set.
--@include store/idempotency
--@include command
--@include fence

-- read_command returns the state and the body of a command. The state is nil if the record is
-- missing or invalid, and the body is false if it is missing.
local function read_command(device, id)
  local raw, body = read_fields(device.commands, id, body_field(id))
  local c = parse_command(device, raw)
  return c, body
end

-- replay returns the commands of the stored answer of an earlier request with the same
-- Idempotency-Key. It omits commands whose lease from that request has ended. An instance of an
-- earlier release stores token, not sealed, and hash instead of claim. It omits commands without
-- hash, because it could not open the token. The gateway verifies every returned command, and sets
-- one aside that lacks the approval that it needs.
local function replay(device, answer, now)
  local claimed = {}
  for _, earlier in ipairs(cjson.decode(answer)) do
    local c, body = read_command(device, earlier.id)
    if c and body and c.status == 'claimed' and c.visible > now and c.token == (earlier.claim or earlier.hash) then
      claimed[#claimed + 1] = { earlier.id, device.state, body, earlier.sealed or earlier.token }
    end
  end
  return claimed
end

-- is_held reports whether a command is held because two instances of the device use its identity. A
-- command that required an approval was approved for one machine, and it is not known which one is
-- meant. The command stays in the ready set until a user resolves the conflict.
local function is_held(device, c)
  return c.approve_by and device.conflict
end

-- read_ready returns the state and the body of a command in the ready set, as read_command does. During
-- a conflict it returns true instead of the body of a command that is held: each claim passes over all of
-- these, and their bodies may have 32 KiB.
local function read_ready(device, id)
  if not device.conflict then
    return read_command(device, id)
  end
  local c = load_command(device, id)
  if c and is_held(device, c) then
    return c, true
  end
  return c, redis.call('HGET', device.commands, body_field(id))
end

-- next_claimable returns the id, the state and the body of the first command in the ready set
-- that may be claimed. It returns nil if no command may be claimed. It removes the commands
-- ahead of the returned one from the ready set if they may not be claimed. It passes over those
-- that are held, and counts them in device.held, so that the next call does not read them again.
local function next_claimable(device, now)
  device.held = device.held or 0
  while true do
    local id = redis.call('ZRANGE', device.ready, ms(device.held), ms(device.held))[1]
    if not id then
      return nil
    end
    local c, body = read_ready(device, id)
    if not (c and body) then
      quarantine(device, id)
    elseif c.status ~= 'queued' then
      remove_ready(device, id)
    elseif lacks_approval(c) then
      quarantine(device, id)
    elseif not settle(device, id, c, now) then
      if not is_held(device, c) then
        return id, c, body
      end
      device.held = device.held + 1
    end
  end
end

-- start_lease starts a lease on a command. The timeout is the length of the lease, in ms.
local function start_lease(device, id, c, now, timeout, token_hash)
  unlist(device, id, c)
  replace_token(c, token_hash)
  c.status = 'claimed'
  c.attempt, c.claims = c.attempt + 1, c.claims + 1
  c.claimed, c.first = now, c.first or now
  c.visible = math.min(now + timeout, c.first + EXECUTION_CAP)
  record_claim(c, now)
  save_command(device, id, c)
  redis.call('ZADD', device.leases, ms(c.visible), id)
  schedule(device, id, c)
  emit(device, now, 'command.claimed', { session = c.session, command = id, request = c.request, trace = c.trace, data = { attempt = c.attempt } })
end

-- is_suspended reports whether a device is suspended whose login the script does not check. The
-- check of a login refuses a suspended device itself.
--   arg  index in ARGV of the arguments of the check of the login
local function is_suspended(device, arg)
  return ARGV[arg] == '' and redis.call('HGET', device.record, 'status') == 'suspended'
end

-- claim_ready claims the first commands that may be claimed. It returns them as a list of {command
-- id, state, body, sealed claim token}. If the stored answer of an earlier request contains
-- commands whose leases last, claim_ready returns those instead. It stores no empty answer. If
-- device.conflict is true, commands that required an approval are held.
--   r.answer        stored answer of the same request; may be nil
--   r.key           key of the stored answer; nil if the answer must not be stored
--   r.fingerprint   fingerprint of the request
--   r.limit         maximum number of commands
--   r.timeout       length of each lease, in ms
--   r.settle_limit  maximum number of expired leases to settle
--   r.tokens        index in ARGV of the sealed claim token and the hash of each command; the former
--                   is empty if the answer is not stored
local function claim_ready(device, now, r)
  local claimed = r.answer and replay(device, r.answer, now) or {}
  if #claimed > 0 then
    return claimed
  end
  settle_leases(device, now, r.settle_limit)
  local answer, last_visible = {}, now
  while #claimed < r.limit do
    local id, c, body = next_claimable(device, now)
    if not id then
      break
    end
    local sealed, token_hash = ARGV[r.tokens + 2 * #claimed], ARGV[r.tokens + 1 + 2 * #claimed]
    start_lease(device, id, c, now, r.timeout, token_hash)
    claimed[#claimed + 1] = { id, device.state, body, sealed }
    answer[#answer + 1] = { id = id, sealed = sealed, claim = token_hash }
    last_visible = math.max(last_visible, c.visible)
  end
  if #claimed > 0 then
    remember(r.key, r.fingerprint, answer, last_visible - now)
  end
  return claimed
end
