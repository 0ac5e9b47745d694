-- Compares commands of a device with the structures that they should be in, and
-- mends what is not so.
-- KEYS  1-12 the device's key set
-- ARGV  1-5 the scope, 6... where a command was seen: "<session>:<command>" for an
--       entry of the index, else ":<command>"
-- Returns {"ok", events, bad, {{how, place, status, command id}...}}: the ids of
--       records that were set aside, and what was found: "missing", "left" or
--       "misplaced"; where; and the command's status, "" without a record
-- Guarantees that the record decides, that only what may run gets into the line, and
-- that nothing is found where nothing is wrong, whatever happens at the same time.
--@include store/device
--@include store/event
--@include command
local device = device_at(1, 1)
local now = clock()
local found = {}

local function note(how, place, status, id)
  found[#found + 1] = { how, place, status, id }
end

-- Mends one entry of a sorted set. The score is nil where no entry belongs, and
-- true where any will do.
local function mend(place, key, member, score, status, id)
  local there = redis.call('ZSCORE', key, member)
  if not score then
    if there then
      redis.call('ZREM', key, member)
      note('left', place, status, id)
    end
  elseif not there or (score ~= true and tonumber(there) ~= score) then
    redis.call('ZADD', key, ms(score == true and 0 or score), member)
    note(there and 'misplaced' or 'missing', place, status, id)
  end
end

-- Mends the places of the living. Without a record there is none for it.
local function mend_places(id, c)
  local status = c and c.status or ''
  local pending = status == 'pending_approval'
  mend('ready', device.ready, id, status == 'queued' and rank(c) or nil, status, id)
  mend('pending', device.pending, id, pending and c.seq or nil, status, id)
  mend('inbox', device.inbox, id .. ' ' .. device.id, pending or nil, status, id)
  mend('leases', device.leases, id, status == 'claimed' and c.visible or nil, status, id)
  if status == 'claimed' and c.cancel then
    if redis.call('SADD', device.cancels, id) == 1 then
      note('missing', 'cancels', status, id)
    end
  elseif redis.call('SREM', device.cancels, id) == 1 then
    note('left', 'cancels', status, id)
  end
end

-- Mends what the sweeper goes by. It may look too early, never too late. For what
-- has ended any moment will do: the retention may have been another.
local function mend_due(id, c)
  local member = due_member('command', id, device)
  local there = redis.call('ZSCORE', device.due, member)
  if not there or (not FINAL[c.status] and (tonumber(there) or math.huge) > next_moment(device, c)) then
    schedule(device, id, c)
    note(there and 'misplaced' or 'missing', 'due', c.status, id)
  end
end

-- Mends the device's counter: what is proposed next must come after all there is.
local newest = { seq = 0 }

local function mend_sequence()
  local r = redis.call('HMGET', device.record, 'tenant', 'sequence')
  if r[1] and tonumber(r[2] or 0) < newest.seq then
    redis.call('HSET', device.record, 'sequence', ms(newest.seq))
    note('misplaced', 'sequence', newest.status, newest.id)
  end
end

local function anywhere(id)
  return redis.call('ZSCORE', device.ready, id) or redis.call('ZSCORE', device.pending, id)
    or redis.call('ZSCORE', device.leases, id) or redis.call('ZSCORE', device.due, due_member('command', id, device))
end

-- What has no record can only be cleared away.
local function clear(id, session)
  mend_places(id, nil)
  if redis.call('ZREM', device.due, due_member('command', id, device)) == 1 then
    note('left', 'due', '', id)
  end
  if session ~= '' and redis.call('ZREM', device.index, session .. ':' .. id) == 1 then
    note('left', 'index', '', id)
  end
  if redis.call('HDEL', device.commands, id .. ':body', id .. ':aside') > 0 then
    note('left', 'body', '', id)
  end
end

-- Tells what a command lacks that nobody may run without, if anything.
local function lacks(id, c)
  if c.status == 'queued' and unapproved(c) then
    return 'approval'
  end
  return c.status == 'queued' and redis.call('HEXISTS', device.commands, id .. ':body') == 0 and 'body'
end

local function reconcile(id, session)
  local c, broken = load_command(device, id)
  if broken then
    if anywhere(id) then
      note('left', 'record', '', id)
      quarantine(device, id)
    end
    return
  elseif not c then
    return clear(id, session)
  end
  if c.seq > newest.seq then
    newest = { seq = c.seq, status = c.status, id = id }
  end
  mend('index', device.index, c.session .. ':' .. id, true, c.status, id)
  if session ~= '' and session ~= c.session then
    mend('index', device.index, session .. ':' .. id, nil, c.status, id)
  end
  local lacking = lacks(id, c)
  if lacking then
    if anywhere(id) or redis.call('HEXISTS', device.commands, id .. ':aside') == 0 then
      note('missing', lacking, c.status, id)
      quarantine(device, id)
    end
  elseif FINAL[c.status] or redis.call('HEXISTS', device.commands, id .. ':aside') == 0 then
    mend_places(id, c)
    mend_due(id, c)
  end
end

for i = DEVICE_ARGS + 1, #ARGV do
  local session, id = string.match(ARGV[i], '^([^:]*):(.*)$')
  if id then
    reconcile(id, session)
  end
end
mend_sequence()
return { 'ok', events(), quarantined(), found }
