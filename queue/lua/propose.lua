-- propose adds a command to the queue of its device. No other script creates a command.
-- KEYS[1..13]  the device's key set
-- KEYS[14]     the session's record
-- KEYS[15]     the tenant's index of commands
-- KEYS[16]     the tenant's policy
-- KEYS[17]     the stored answer; only with an Idempotency-Key
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      session id
-- ARGV[8]      body; JSON that is stored unchanged
-- ARGV[9]      priority
-- ARGV[10]     maximum number of attempts
-- ARGV[11]     "auto" or "review"
-- ARGV[12]     time within which the command must be delivered, in ms
-- ARGV[13]     time within which a user must decide on the command, in ms
-- ARGV[14]     maximum number of commands in the device's ready set, and in its pending set
-- ARGV[15]     fingerprint of the request
-- ARGV[16]     time for which the answer is stored, in ms
-- ARGV[17]     time of the proposal in Unix ms; the gateway has read it from the store's clock, in
--              a cluster perhaps from another node's, which may be ahead or behind
-- ARGV[18]     digest of the command, which covers the deadline that counts from ARGV[17]
-- ARGV[19]     head of the body; empty if the body is small
-- ARGV[20]     the installation's limit of ready commands; 0 for none
-- ARGV[21]     the installation's limit of commands pending approval; 0 for none
-- ARGV[22]     the installation's limit of stored bytes; 0 for none
-- ARGV[23]     fingerprint of the request in earlier releases
-- ARGV[24]     MAC of the record
-- ARGV[25]     id of the command that this one repeats; empty if it repeats none
-- ARGV[26]     "1" to pack the state of the command
-- ARGV[27]     traceparent that is kept with the command; empty if it belongs to no recorded trace
-- ARGV[28]     "1" if the body is a statement
-- ARGV[29..30] revision and epoch of the device's record that the statement describes; may be empty
-- ARGV[31]     version of the tenant's policy that was applied; "0" if it has none
-- ARGV[32]     number of users who must approve, at least 1; the MAC covers it
-- Returns {"ok", events, command id, state, body, 1 if the answer was stored before}
-- Refuses with idempotency_key_reused, session_not_found, session_closed,
--       device_queue_full; with quota_exceeded, the quota and its limit; or with stale if
--       ARGV[17] is not recent, for example after a failover to a store with another clock, if the
--       session ends before the command must be delivered, if the statement describes an earlier
--       revision of the device, or if another policy applies by now
-- Guarantees that a claim cannot find a command under review, and that a repeated request
-- creates no second command unless the first was deleted. The digest and the MAC cover
-- deliver_by, so that a changed deadline is found.
--@creates
--@include store/base
--@include store/device
--@include store/event
--@include store/idempotency
--@include store/reply
--@include command
local device = device_at(1, 1)
local session_key, listed_key, policy_key, memory_key = KEYS[14], KEYS[15], KEYS[16], KEYS[17]
local id, session, body, priority, max_attempts = ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10])
local review, deliver_within, decide_within = ARGV[11] == 'review', tonumber(ARGV[12]), tonumber(ARGV[13])
local bound, fingerprint, memory_ttl = tonumber(ARGV[14]), ARGV[15], tonumber(ARGV[16])
local proposed_at, digest, head = tonumber(ARGV[17]), ARGV[18], ARGV[19]
local max_ready, max_pending, max_bytes, earlier, mac = ARGV[20], ARGV[21], ARGV[22], ARGV[23], ARGV[24]
local retry_of, packed, trace = ARGV[25], ARGV[26] == '1', ARGV[27]
local is_stated, revision, epoch, policy = ARGV[28] == '1', ARGV[29], ARGV[30], ARGV[31]
local required = tonumber(ARGV[32])
local now = clock()

-- RECENT_MS is the maximum difference, in ms, between the proposal time that the gateway has read
-- and this node's clock.
local RECENT_MS = 10000

-- is_current reports whether the device's record has this revision and this epoch.
local function is_current(revision_then, epoch_then)
  local revision_now, epoch_now = read_fields(device.record, 'revision', 'epoch')
  return (revision_now or '') == revision_then and (epoch_now or '') == epoch_then
end

local answer, refused = recall(memory_key, fingerprint, earlier)
if refused then
  return refused
end
local first = answer and cjson.decode(answer)
local first_body = first and redis.call('HGET', device.commands, body_field(first.id))
if first_body then
  return ok(first.id, first.state, first_body, 1)
end

if math.abs(now - proposed_at) > RECENT_MS then
  return refuse('stale')
end
local tenant, status, expires = read_fields(session_key, 'tenant', 'status', 'expires')
if tenant ~= device.tenant then
  return refuse('session_not_found')
end
if status ~= 'active' or tonumber(expires) <= now then
  return refuse('session_closed')
end
if tonumber(expires) < proposed_at + deliver_within or is_stated and not is_current(revision, epoch) then
  return refuse('stale')
end
if (redis.call('HGET', policy_key, 'version') or '0') ~= policy then
  return refuse('stale')
end
if redis.call('ZCARD', device.ready) >= bound or (review and redis.call('ZCARD', device.pending) >= bound) then
  return refuse('device_queue_full')
end
local bytes = COMMAND_BYTES + #body
refused = over_quota(device.usage, {
  { quota = 'readyCommands', n = 1, limit = max_ready },
  { quota = 'storedBytes', n = bytes, limit = max_bytes },
  review and { quota = 'pendingApprovals', n = 1, limit = max_pending, used = redis.call('ZCARD', device.inbox) } or nil,
})
if refused then
  return refused
end

-- root_of returns the id of the first command of the chain of retries that ends with the command.
local function root_of(retried)
  local c = load_command(device, retried)
  return c and c.retry_of or retried
end

local c = {
  session = session,
  priority = priority,
  max = max_attempts,
  seq = redis.call('HINCRBY', device.record, 'sequence', '1'),
  created = math.min(proposed_at, now), -- no command is queued before it is created
  deliver_by = proposed_at + deliver_within,
  digest = digest,
  mac = mac,
  retry_of = retry_of ~= '' and root_of(retry_of) or nil,
  attempt = 0,
  claims = 0,
  bytes = bytes,
  request = device.request,
  proposer = device.actor,
  proposer_name = device.actor_name,
  proposer_email = device.actor_email,
  trace = trace ~= '' and trace or nil,
  packed = packed or nil,
  required = required > 1 and required or nil,
}
count_bytes(device, bytes)
if head ~= '' then
  redis.call('HSET', device.commands, head_field(id), head)
end
redis.call('ZADD', device.index, '0', index_member(session, id))
redis.call('ZADD', listed_key, ms(c.created), listed_member(device, id))
if review then
  c.approve_by = math.min(proposed_at + decide_within, c.deliver_by)
  await_approval(device, id, c, body_field(id), body)
else
  enqueue(device, id, c, now, body_field(id), body)
end
emit(device, now, 'command.proposed', {
  session = session, command = id, trace = c.trace, ready = not review, data = { status = c.status },
})
remember(memory_key, fingerprint, { id = id, state = device.state }, memory_ttl)
return ok(id, device.state, body, 0)
