-- Hands out the commands at the head of the device's line, each under a lease.
-- KEYS  1-12 the device's key set, 13 the memory of the Idempotency-Key (only
--       when there is one)
-- ARGV  1-5 the scope, 6 how many at most, 7 visibility timeout in ms,
--       8 fingerprint of the request, 9 how many leases to settle at most,
--       10 the epoch of the login that asks, 11... a claim token and its hash, for
--       each command that may be handed out
-- Returns {"ok", events, now, left, bad, {id, state, body, token}...} with what is
--       left in the line and the ids of records that were set aside, or
--       {"idempotency_key_reused"}, or {"unauthorized"}
-- Guarantees that a command has one lease at a time, that only what is in the
-- ready set and may run is handed out, and that a repeated claim gives the same
-- commands and tokens while their leases live. An empty answer is never remembered.
-- A device that was suspended, or whose login was ended, while its claim waited
-- gets nothing.
--@include store/device
--@include store/event
--@include store/idempotency
--@include command
--@include fence
local device = device_at(1, 1)
local limit, timeout, fingerprint = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local now = clock()

local function body_of(id)
  return redis.call('HGET', device.commands, id .. ':body')
end

local function answer(given)
  return { 'ok', events(), now, redis.call('ZCARD', device.ready), quarantined(), unpack(given) }
end

-- What an earlier claim with this key handed out and is still under its lease.
local function replay(said)
  local given = {}
  for _, one in ipairs(cjson.decode(said)) do
    local c = load_command(device, one.id)
    local body = body_of(one.id)
    if c and body and c.status == 'claimed' and c.visible > now and c.token == one.hash then
      given[#given + 1] = { one.id, device.state, body, one.token }
    end
  end
  return given
end

-- The first command of the line that may be handed out. Whatever stands before
-- it and may not leaves the line.
local function first_in_line()
  while true do
    local id = redis.call('ZRANGE', device.ready, 0, 0)[1]
    if not id then
      return nil
    end
    local c = load_command(device, id)
    local body = c and body_of(id)
    if not body then
      quarantine(device, id)
    elseif c.status ~= 'queued' then
      redis.call('ZREM', device.ready, id)
    elseif unapproved(c) then
      quarantine(device, id)
    elseif not settle(device, id, c, now) then
      return id, c, body
    end
  end
end

local function lease(id, c, hash)
  leave(device, id, c)
  hand_over(c, hash)
  c.status = 'claimed'
  c.attempt, c.claims = c.attempt + 1, c.claims + 1
  c.claimed, c.first = now, c.first or now
  c.visible = math.min(now + timeout, c.first + EXECUTION_CAP)
  claim_begins(c, now)
  save_command(device, id, c)
  redis.call('ZADD', device.leases, ms(c.visible), id)
  schedule(device, id, c)
  emit(device, now, 'command.claimed', { session = c.session, command = id, request = c.request, data = { attempt = c.attempt } })
end

local r = redis.call('HMGET', device.record, 'status', 'epoch')
if r[1] == 'suspended' or (r[2] or '') ~= ARGV[10] then
  return { 'unauthorized' }
end
local said = recall(KEYS[13], fingerprint)
if said == 'reused' then
  return { 'idempotency_key_reused' }
end
local given = said and replay(said) or {}
if #given > 0 then
  return answer(given)
end

settle_leases(device, now, tonumber(ARGV[9]))
local memory, until_ms = {}, now
while #given < limit do
  local id, c, body = first_in_line()
  if not id then
    break
  end
  local token, hash = ARGV[11 + 2 * #given], ARGV[12 + 2 * #given]
  lease(id, c, hash)
  given[#given + 1] = { id, device.state, body, token }
  memory[#memory + 1] = { id = id, token = token, hash = hash }
  until_ms = math.max(until_ms, c.visible)
end
if #given > 0 then
  remember(KEYS[13], fingerprint, cjson.encode(memory), until_ms - now)
end
return answer(given)
