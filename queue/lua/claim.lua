-- claim leases the next commands of the ready set to their device.
-- KEYS[1..13]  the device's key set
-- KEYS[14..15] the login's record and the device's rate limit
-- KEYS[16]     the stored answer; only with an Idempotency-Key
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      maximum number of commands to claim
-- ARGV[7]      length of each lease, in ms
-- ARGV[8]      fingerprint of the request
-- ARGV[9]      maximum number of expired leases to settle
-- ARGV[10..16] the arguments of the check of the login
-- ARGV[17...]  a sealed claim token and its hash, for each command that may be claimed; the
--              former is empty without an Idempotency-Key
-- Returns {"ok", events, now, length of the ready set, quarantined ids, the tenant's own limit
--       of waiting claims (empty if it has none, and if commands are returned),
--       {command id, state, body, sealed claim token}...}
-- Refuses with idempotency_key_reused, or with unauthorized or rate_limited as device/login_check
--       does
-- Guarantees that a command has one lease at a time, and that only a command that may run is
-- claimed. A repeated claim returns the same commands and tokens while their leases last,
-- but an empty answer is never stored. A waiting claim is refused after its device was
-- suspended or its login ended, because each run checks the login.
--@include device/login_check
--@include store/base
--@include store/device
--@include store/event
--@include store/idempotency
--@include store/reply
--@include command
--@include fence
local device = device_at(1, 1)
local memory_key = KEYS[16]
local limit, timeout, fingerprint, settle_limit = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9])
local TOKENS = 17 -- index of the first claim token in ARGV
local now = clock()

-- reply returns the script's reply with the claimed commands.
local function reply(claimed)
  local max_waiting = #claimed == 0 and redis.call('HGET', device.usage, 'waitingClaims:limit') or ''
  return ok(now, redis.call('ZCARD', device.ready), quarantined(), max_waiting, unpack(claimed))
end

-- read_command returns the state and the body of a command. The state is nil if the record is
-- missing or invalid, and the body is false if it is missing.
local function read_command(id)
  local raw, body = read_fields(device.commands, id, body_field(id))
  local c = parse_command(device, raw)
  return c, body
end

-- replay returns the commands that an earlier claim with the same Idempotency-Key
-- claimed. It omits commands whose lease from that claim has ended. An instance of an earlier
-- release stores token, not sealed, and hash instead of claim. It omits commands without hash,
-- because it could not open the token. The gateway verifies every returned command, and sets one
-- aside that lacks the approval that it needs.
local function replay(answer)
  local claimed = {}
  for _, earlier in ipairs(cjson.decode(answer)) do
    local c, body = read_command(earlier.id)
    if c and body and c.status == 'claimed' and c.visible > now and c.token == (earlier.claim or earlier.hash) then
      claimed[#claimed + 1] = { earlier.id, device.state, body, earlier.sealed or earlier.token }
    end
  end
  return claimed
end

-- next_claimable returns the id, the state and the body of the first command in the ready set
-- that may be claimed. It returns nil if no command may be claimed. It removes the commands
-- ahead of the returned one from the ready set, because they may not be claimed.
local function next_claimable()
  while true do
    local id = redis.call('ZRANGE', device.ready, 0, 0)[1]
    if not id then
      return nil
    end
    local c, body = read_command(id)
    if not (c and body) then
      quarantine(device, id)
    elseif c.status ~= 'queued' then
      remove_ready(device, id)
    elseif lacks_approval(c) then
      quarantine(device, id)
    elseif not settle(device, id, c, now) then
      return id, c, body
    end
  end
end

-- claim starts a lease on a command.
local function claim(id, c, token_hash)
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
  emit(device, now, 'command.claimed', { session = c.session, command = id, request = c.request, data = { attempt = c.attempt } })
end

local refused = check_login(device.record, device.tenant, now, 14, 10)
if refused then
  return refused
end
-- Without a login to check, a suspended device still claims nothing.
if ARGV[10] == '' and redis.call('HGET', device.record, 'status') == 'suspended' then
  return refuse('unauthorized', 'device_inactive')
end
local answer
answer, refused = recall(memory_key, fingerprint)
if refused then
  return refused
end
local claimed = answer and replay(answer) or {}
if #claimed > 0 then
  return reply(claimed)
end

settle_leases(device, now, settle_limit)
local memory, last_visible = {}, now
while #claimed < limit do
  local id, c, body = next_claimable()
  if not id then
    break
  end
  local sealed, token_hash = ARGV[TOKENS + 2 * #claimed], ARGV[TOKENS + 1 + 2 * #claimed]
  claim(id, c, token_hash)
  claimed[#claimed + 1] = { id, device.state, body, sealed }
  memory[#memory + 1] = { id = id, sealed = sealed, claim = token_hash }
  last_visible = math.max(last_visible, c.visible)
end
if #claimed > 0 then
  remember(memory_key, fingerprint, memory, last_visible - now)
end
return reply(claimed)
