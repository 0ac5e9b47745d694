-- What every transition of a command has in common.
--
-- A command's state is a small JSON object in the device's commands hash:
--   status     pending_approval, queued, claimed, succeeded, failed, timed_out,
--              rejected, cancelled, expired
--   session, priority, max, seq, created, deliver_by: fixed at the proposal
--   approve_by  until when a person may decide (reviewed commands only)
--   attempt    claims that count;   claims   all claims, also released ones
--   token      hash of the newest claim token, kept after its lease ended
--   past       hashes of earlier claim tokens, the newest last, joined by spaces
--   returned   the newest claim was given back: its token is worth nothing now
--   queued, claimed, visible, finished: moments in Unix ms
--   first      moment of the first claim that counts: the execution cap runs from it
--   cancel     somebody wants it cancelled (claimed commands only)
--   late       its result came after the lease had ended
--   approval   {decision, by, at, reason}
--   history    its claims, the newest last: {attempt, claimed, ended, outcome}
--   result     fingerprint of the result that stands
--@include store/device
--@include store/event
local EXECUTION_CAP = 12 * 3600 * 1000
-- How often a command is handed out, given back or not: each time is two entries of
-- the timeline, with which a device that takes and gives back all day fills the store. One
-- that does so every minute of a day stays below.
local CLAIMS_CAP = 2000
local FINAL = {
  succeeded = true, failed = true, timed_out = true,
  rejected = true, cancelled = true, expired = true,
}

-- What a record must hold, whatever its status, and what else it may hold. All of
-- it is checked at the reading, so that no script fails between two of its writes.
local MUST = {
  status = 'string', session = 'string', request = 'string', proposer = 'string', seq = 'number', priority = 'number',
  max = 'number', attempt = 'number', claims = 'number', created = 'number', deliver_by = 'number',
}
local MAY = {
  token = 'string', past = 'string', result = 'string', first = 'number', approve_by = 'number',
  history = 'table', approval = 'table',
}
local OWN = { pending_approval = 'approve_by', queued = 'deliver_by', claimed = 'visible' }

local function of_kind(c, kinds, required)
  for name, kind in pairs(kinds) do
    if type(c[name]) ~= kind and (required or c[name] ~= nil) then
      return false
    end
  end
  return true
end

local function readable(c)
  if type(c) ~= 'table' or not of_kind(c, MUST, true) or not of_kind(c, MAY, false) then
    return false
  end
  local own = OWN[c.status] or (FINAL[c.status] and 'finished')
  local newest = c.history and c.history[#c.history]
  return own and type(c[own]) == 'number'
    and (c.first ~= nil or (c.attempt == 0 and c.status ~= 'claimed'))
    and (newest == nil or type(newest) == 'table')
end

-- Reads a command. Answers nil when there is none, or when its record cannot be
-- worked with: the second value is then true. What was read or saved last stays
-- in device.state, for the answer.
local function load_command(device, id)
  local raw = redis.call('HGET', device.commands, id)
  if not raw then
    return nil, false
  end
  local ok, c = pcall(cjson.decode, raw)
  if not ok or not readable(c) then
    return nil, true
  end
  device.state = raw
  return c, false
end

local function save_command(device, id, c)
  device.state = cjson.encode(c)
  redis.call('HSET', device.commands, id, device.state)
end

local function due_member(kind, id, device)
  return kind .. ' ' .. id .. ' ' .. device.id .. ' ' .. device.tenant
end

-- The moment at which time changes the command next, if nothing else does.
local function next_moment(device, c)
  if c.status == 'pending_approval' then
    return c.approve_by
  elseif c.status == 'queued' then
    return math.min(c.deliver_by, (c.first or c.deliver_by) + EXECUTION_CAP)
  elseif c.status == 'claimed' then
    return c.visible
  end
  return c.finished + device.retention
end

-- Tells the sweeper when it has to look at the command again.
local function schedule(device, id, c)
  redis.call('ZADD', device.due, ms(next_moment(device, c)), due_member('command', id, device))
end

local set_aside = {}

-- Takes a record that cannot be read out of every structure and sets it aside,
-- so that it never stops the commands behind it. The record itself stays, for a
-- person to look at, and "<id>:aside" says since when it is not worked with.
local function quarantine(device, id)
  set_aside[#set_aside + 1] = id
  redis.call('ZREM', device.ready, id)
  redis.call('ZREM', device.pending, id)
  redis.call('ZREM', device.leases, id)
  redis.call('SREM', device.cancels, id)
  redis.call('ZREM', device.inbox, id .. ' ' .. device.id)
  redis.call('ZREM', device.due, due_member('command', id, device))
  redis.call('RPUSH', device.quarantine, due_member('command', id, device))
  if redis.call('HEXISTS', device.commands, id) == 1 then
    redis.call('HSET', device.commands, id .. ':aside', ms(clock()))
  end
end

-- The ids of all records that this call of the script has set aside.
local function quarantined()
  return table.concat(set_aside, ' ')
end

-- Takes the command out of the structure in which its status keeps it.
local function leave(device, id, c)
  if c.status == 'pending_approval' then
    redis.call('ZREM', device.pending, id)
    redis.call('ZREM', device.inbox, id .. ' ' .. device.id)
  elseif c.status == 'queued' then
    redis.call('ZREM', device.ready, id)
  elseif c.status == 'claimed' then
    redis.call('ZREM', device.leases, id)
    if c.cancel then
      redis.call('SREM', device.cancels, id)
    end
  end
end

-- Notes how the newest claim ended. A late result corrects what time had noted.
local HISTORY = 20

local function claim_begins(c, now)
  c.history = c.history or {}
  c.history[#c.history + 1] = { attempt = c.attempt, claimed = now }
  if #c.history > HISTORY then
    table.remove(c.history, 1)
  end
end

local function claim_ends(c, now, outcome)
  local newest = c.history and c.history[#c.history]
  if newest then
    newest.ended, newest.outcome = now, outcome
  end
end

-- The command's place in the line: by priority, then by sequence.
local function rank(c)
  return (9 - c.priority) * 1e13 + c.seq
end

-- A command that asks for a person runs only with that person's word, whatever
-- the ready set says.
local function unapproved(c)
  return c.approve_by and not (c.approval and c.approval.decision == 'approved')
end

-- Puts the command into the line, in the place that its proposal gave it. But for
-- the mending of a line that has lost it, the only way into the ready set.
local function enqueue(device, id, c, now)
  leave(device, id, c)
  c.status = 'queued'
  c.queued = now
  redis.call('ZADD', device.ready, ms(rank(c)), id)
  schedule(device, id, c)
  save_command(device, id, c)
end

-- Ends the command. From here on the due index holds the end of its retention.
local function finish(device, id, c, status, now)
  leave(device, id, c)
  c.status = status
  c.finished = now
  schedule(device, id, c)
  save_command(device, id, c)
end

-- Ends the command without its device.
--   details   actor, request: instead of the scope's own; data: of the event
local function give_up(device, id, c, status, now, details)
  finish(device, id, c, status, now)
  emit(device, now, 'command.' .. status, {
    session = c.session, command = id, actor = details.actor, request = details.request, data = details.data,
  })
end

-- Tells whether the command's session is over, or its device is gone: nothing
-- of it may be delivered any more. One read per call of a script.
local function session_over(device, c, now)
  if not device.session then
    local r = redis.call('HMGET', device.record, 'status', 'session', 'session_until')
    device.gone = r[1] == 'decommissioned'
    device.session = r[2] or ''
    device.session_until = tonumber(r[3] or 0)
  end
  return device.gone or device.session ~= c.session or device.session_until <= now
end

local SYSTEM = 'system'

-- Ends the command in the system's name: time did it, not a caller.
local function run_out(device, id, c, status, now)
  give_up(device, id, c, status, now, { actor = SYSTEM, request = c.request, data = { attempt = c.attempt } })
end

-- Tells whether the command has been in its device's hands, on and off, for as
-- long as it may, or as often.
local function worn_out(c, now)
  return c.claims >= CLAIMS_CAP or (c.first ~= nil and c.first + EXECUTION_CAP <= now)
end

-- Ends a lease that ran out: back into the line while attempts are left, else
-- timed out for a person to look at.
local function end_lease(device, id, c, now)
  if c.attempt >= c.max or worn_out(c, now) then
    claim_ends(c, now, 'timed_out')
    return run_out(device, id, c, 'timed_out', now)
  end
  local over = session_over(device, c, now) or c.deliver_by <= now
  local cancel = c.cancel
  claim_ends(c, now, 'requeued')
  enqueue(device, id, c, now)
  emit(device, now, 'command.requeued', {
    session = c.session, command = id, actor = SYSTEM, request = c.request, data = { attempt = c.attempt },
    ready = not (over or cancel),
  })
  if cancel then
    run_out(device, id, c, 'cancelled', now)
  elseif over then
    run_out(device, id, c, 'expired', now)
  end
end

-- Brings the command to what time has made of it. Answers true if it changed.
local function settle(device, id, c, now)
  local until_then = (c.status == 'pending_approval' and c.approve_by) or (c.status == 'queued' and c.deliver_by)
  if c.status == 'claimed' and c.visible <= now then
    end_lease(device, id, c, now)
  elseif until_then and (until_then <= now or session_over(device, c, now)) then
    run_out(device, id, c, 'expired', now)
  elseif until_then and worn_out(c, now) then
    run_out(device, id, c, 'timed_out', now)
  else
    return false
  end
  return true
end

-- Ends the device's leases that ran out, before anything else is done with it:
-- the contract does not depend on a sweeper being alive. At most `limit`.
local function settle_leases(device, now, limit)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', device.leases, '-inf', ms(now), 'LIMIT', 0, limit)) do
    local c = load_command(device, id)
    if not c then
      quarantine(device, id)
    elseif c.status ~= 'claimed' then
      redis.call('ZREM', device.leases, id)
    elseif not settle(device, id, c, now) then
      redis.call('ZADD', device.leases, ms(c.visible), id)
    end
  end
end

-- Ends everything of the device that nobody has claimed yet: its line and the
-- commands that wait for a person. Bounded by the bounds of those two.
local function end_waiting(device, now, status, details)
  for _, key in ipairs({ device.ready, device.pending }) do
    for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      local c = load_command(device, id)
      if not c then
        quarantine(device, id)
      elseif c.status == 'queued' or c.status == 'pending_approval' then
        give_up(device, id, c, status, now, details)
      else
        redis.call('ZREM', key, id)
      end
    end
  end
end
