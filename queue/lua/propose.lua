-- Puts a command into the queue: the only way in.
-- KEYS  1-12 the device's key set, 13 the session's record, 14 the memory of the
--       Idempotency-Key (only when there is one)
-- ARGV  1-5 the scope, 6 command id, 7 session id, 8 body (JSON, kept as it is),
--       9 priority, 10 max attempts, 11 "auto" or "review", 12 ms in which it must
--       be delivered, 13 ms in which a person may decide, 14 how many commands the
--       line and the inbox of a device may hold, 15 fingerprint of the request,
--       16 ms to remember the answer
-- Returns {"ok", events, id, state, body, repeated}, or {code}:
--       session_not_found, session_closed, device_queue_full, idempotency_key_reused
-- Guarantees that a command under review is in no structure that a claim reads,
-- and that a repeated request makes no second command while the first is kept.
--@include store/device
--@include store/event
--@include store/idempotency
--@include command
local device = device_at(1, 1)
local id, session = ARGV[6], ARGV[7]
local now = clock()

local said = recall(KEYS[14], ARGV[15])
if said == 'reused' then
  return { 'idempotency_key_reused' }
end
local first = said and cjson.decode(said)
local body = first and redis.call('HGET', device.commands, first.id .. ':body')
if body then
  return { 'ok', '', first.id, first.state, body, 1 }
end

local s = redis.call('HMGET', KEYS[13], 'tenant', 'status', 'expires')
if s[1] ~= device.tenant then
  return { 'session_not_found' }
end
if s[2] ~= 'active' or tonumber(s[3]) <= now then
  return { 'session_closed' }
end
local review = ARGV[11] == 'review'
local bound = tonumber(ARGV[14])
if redis.call('ZCARD', device.ready) >= bound or (review and redis.call('ZCARD', device.pending) >= bound) then
  return { 'device_queue_full' }
end

local c = {
  session = session,
  priority = tonumber(ARGV[9]),
  max = tonumber(ARGV[10]),
  seq = redis.call('HINCRBY', device.record, 'sequence', 1),
  created = now,
  deliver_by = now + tonumber(ARGV[12]),
  attempt = 0,
  claims = 0,
  request = device.request,
  proposer = device.actor,
}
redis.call('HSET', device.commands, id .. ':body', ARGV[8])
redis.call('ZADD', device.index, 0, session .. ':' .. id)
if review then
  c.status = 'pending_approval'
  c.approve_by = math.min(now + tonumber(ARGV[13]), c.deliver_by)
  redis.call('ZADD', device.pending, c.seq, id)
  redis.call('ZADD', device.inbox, 0, id .. ' ' .. device.id)
  schedule(device, id, c)
  save_command(device, id, c)
else
  enqueue(device, id, c, now)
end
emit(device, now, 'command.proposed', {
  session = session, command = id, ready = not review, data = { status = c.status },
})
remember(KEYS[14], ARGV[15], cjson.encode({ id = id, state = device.state }), tonumber(ARGV[16]))
return { 'ok', events(), id, device.state, ARGV[8], 0 }
