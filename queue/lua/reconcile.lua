-- reconcile compares commands of a device with the structures that they should be in, and
-- repairs the differences.
-- KEYS[1..13]  the device's key set
-- KEYS[14]     the tenant's index of commands
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      "1" if a finished command may have the time of a longer retention, or ""
-- ARGV[7...]   where a command was found: "<session>:<command>" in the index of commands by
--              session, ":<command>" in any other structure
-- Returns {"ok", events, quarantined ids, {{damage, structure, status, command id}...}}:
--       the damage is "missing", "left" (a superfluous entry) or "misplaced"; the status is
--       "" for a command without a record
-- Guarantees that each repair follows the command's record, and that only commands that may
-- run enter the ready set. If nothing is damaged it reports nothing, even while other
-- scripts run.
--@include store/base
--@include store/device
--@include store/due
--@include store/reply
--@include command
--@include report
local device = device_at(1, 1)
local listed_key = KEYS[14]
local keeps_longer = ARGV[DEVICE_ARGS + 1] == '1'
local FOUND = DEVICE_ARGS + 2 -- index of the first entry in ARGV
local now = clock()
local damages = {}
local newest = { seq = 0 } -- command with the highest sequence number

-- report adds one instance of damage to the reply.
local function report(damage, structure, status, id)
  damages[#damages + 1] = { damage, structure, status, id }
end

-- repair_member repairs one member of a sorted set. If score is nil, the set must not contain
-- the member. If score is true, the member may have any score.
local function repair_member(structure, key, member, score, status, id)
  local present = redis.call('ZSCORE', key, member)
  if not score then
    if present then
      redis.call('ZREM', key, member)
      report('left', structure, status, id)
    end
  elseif not present or (score ~= true and tonumber(present) ~= score) then
    redis.call('ZADD', key, ms(score == true and 0 or score), member)
    report(present and 'misplaced' or 'missing', structure, status, id)
  end
end

-- repair_structures repairs the command's entries in the structures of unfinished commands. If
-- the command has no record, c is nil and every entry is removed.
local function repair_structures(id, c)
  local status = c and c.status or ''
  local pending = status == 'pending_approval'
  repair_member('ready', device.ready, id, status == 'queued' and ready_score(c) or nil, status, id)
  repair_member('pending', device.pending, id, pending and c.seq or nil, status, id)
  repair_member('inbox', device.inbox, inbox_member(device, id), c and is_in_inbox(c) or nil, status, id)
  repair_member('leases', device.leases, id, status == 'claimed' and c.visible or nil, status, id)
  if status == 'claimed' and c.cancel then
    if redis.call('SADD', device.cancels, id) == 1 then
      report('missing', 'cancels', status, id)
    end
  elseif redis.call('SREM', device.cancels, id) == 1 then
    report('left', 'cancels', status, id)
  end
end

-- repair_listed repairs the command's entry in the tenant's index of commands. If the command has
-- no record, c is nil and the entry is removed. It reports nothing: an earlier release neither adds
-- to that index nor removes from it, so that a difference is no damage.
local function repair_listed(id, c)
  if c then
    redis.call('ZADD', listed_key, ms(c.created), listed_member(device, id))
  else
    redis.call('ZREM', listed_key, listed_member(device, id))
  end
end

-- repair_due repairs the command's entry in the due index. The time of the entry may be too
-- early, but not too late. For a finished command, a time that is too late is no damage: the
-- configured retention was longer when the command ended. The command then gets the time of the
-- retention of now, so that shortening it frees memory, unless keeps_longer.
local function repair_due(id, c)
  local due = read_due(device, 'command', id)
  if due and ((tonumber(due) or math.huge) <= next_deadline(device, c) or keeps_longer and FINAL[c.status]) then
    return
  end
  schedule(device, id, c)
  if not due or not FINAL[c.status] then
    report(due and 'misplaced' or 'missing', 'due', c.status, id)
  end
end

-- repair_sequence repairs the device's sequence counter, so that the next proposal gets a
-- higher number than the commands in this batch.
local function repair_sequence()
  local tenant, sequence = read_fields(device.record, 'tenant', 'sequence')
  if tenant and tonumber(sequence or 0) < newest.seq then
    redis.call('HSET', device.record, 'sequence', ms(newest.seq))
    report('misplaced', 'sequence', newest.status, newest.id)
  end
end

-- is_listed reports whether the command is in a structure that other scripts act on.
local function is_listed(id)
  return redis.call('ZSCORE', device.ready, id) or redis.call('ZSCORE', device.pending, id)
    or redis.call('ZSCORE', device.leases, id) or read_due(device, 'command', id)
end

-- is_quarantined reports whether the command is in the quarantine.
local function is_quarantined(id)
  return redis.call('HEXISTS', device.commands, aside_field(id)) == 1
end

-- remove_leftovers removes everything that is stored about a command without a record.
local function remove_leftovers(id, session)
  repair_structures(id, nil)
  repair_listed(id, nil)
  if remove_due(device, 'command', id) == 1 then
    report('left', 'due', '', id)
  end
  if session ~= '' and redis.call('ZREM', device.index, index_member(session, id)) == 1 then
    report('left', 'index', '', id)
  end
  if redis.call('HDEL', device.commands, body_field(id), head_field(id), result_field(id), aside_field(id), conflict_field(id)) > 0 then
    report('left', 'body', '', id)
  end
  forget_report(device, id)
end

-- reconcile compares one command with the structures and repairs them.
local function reconcile(id, session)
  local c, invalid = load_command(device, id)
  if invalid then
    if is_listed(id) then
      report('left', 'record', '', id)
      quarantine(device, id)
    end
    return
  elseif not c then
    return remove_leftovers(id, session)
  end
  if c.seq > newest.seq then
    newest = { seq = c.seq, status = c.status, id = id }
  end
  repair_member('index', device.index, index_member(c.session, id), true, c.status, id)
  repair_listed(id, c)
  if session ~= '' and session ~= c.session then
    repair_member('index', device.index, index_member(session, id), nil, c.status, id)
  end
  local missing = missing_part(device, id, c)
  if missing then
    if is_listed(id) or not is_quarantined(id) then
      report('missing', missing, c.status, id)
      quarantine(device, id)
    end
  elseif FINAL[c.status] or not is_quarantined(id) then
    repair_structures(id, c)
    repair_due(id, c)
  end
end

for i = FOUND, #ARGV do
  local session, id = string.match(ARGV[i], '^([^:]*):(.*)$')
  if id then
    reconcile(id, session)
  end
end
repair_sequence()
return ok(quarantined(), damages)
