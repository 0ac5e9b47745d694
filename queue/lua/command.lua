-- This fragment is the state machine of a command.
--
-- The state of a command is a small object in the device's commands hash. It is a map of
-- MessagePack, which costs half as much to read and to write, or JSON: in the embedded server, and
-- in a store that an earlier release may read. A state keeps its format. The fields:
--   status     pending_approval, queued, claimed, succeeded, failed, timed_out,
--              rejected, cancelled, expired
--   session, request, proposer, priority, max, seq, created, deliver_by: set by the
--              proposal and never changed; max is the number of attempts
--   proposer_name, proposer_email: names of the proposer at the time of the proposal; may be absent
--   approve_by deadline for the decision; only in a command that needs approval
--   required   number of users who must approve, if it is more than one; covered by the mac
--   attempt    the number of claims, excluding released claims
--   claims     the number of all claims, including released claims
--   token      hash of the newest claim token, kept after the lease has expired
--   past       hashes of earlier claim tokens, the newest last, joined by spaces
--   returned   true if the newest claim was released; the newest token is then invalid
--   queued, claimed, visible, finished: times in Unix ms; visible is the end of the lease
--   first      time of the first claim that was not released; EXECUTION_CAP starts at this
--              time
--   cancel     true when a user has cancelled the command while it was claimed
--   late       true when the result arrived after the lease had expired
--   approval   {decision, by, name, email, at, reason, aal, roles, age, passkey, glass, mac}; the mac
--              authenticates decision, by, aal, roles, age and passkey, and the reason if there are roles
--              or an age; name and email are those of the approver at that time and may be absent; if the
--              rule has conditions, aal is the assurance level of the sign-in, age its age in ms, and roles
--              the roles of the approver, joined by spaces; passkey is the assertion of the passkey that has
--              signed; glass is true if an admin has approved alone
--   votes      approvals before the one in `approval`, the oldest first, without decision and glass
--   withdrawn  user who was the last to withdraw an approval
--   glass      {by, name, email, at, reason, mac}: an admin has approved alone; kept for good, and with
--              {reviewer, reviewer_name, reviewer_email, reviewed, comment, review_mac} after the
--              review; the macs authenticate by and reason, and reviewer and comment with them
--   history    the command's claims, the newest last: {attempt, claimed, ended, outcome}
--   result     fingerprint of the recorded result
--   retry_of   id of the first command of the chain of retries that this one ends; absent if it
--              repeats none. The body has the id of the command that it repeats directly
--   digest     digest of what a user approves, set by the proposal; readers compute a
--              missing digest
--   mac        authenticates what the proposal has set; the gateway computes and verifies it
--   trace      traceparent of the proposal, set by it; absent if no trace of it is recorded
--   packed     true if the state is a map of MessagePack
-- Five more fields of the hash belong to the command. "<id>:body" holds what was proposed.
-- "<id>:head" holds the body without its parameters, for lists; the field exists only if
-- the parameters are large. "<id>:result" holds the result, which an earlier release keeps under a
-- key of its own. "<id>:aside" holds the time at which the command was
-- quarantined. "<id>:conflict" holds another result that the device submitted after the command had
-- ended. The fragment report describes what a device reports while it runs the command.
--@include store/base
--@include store/due
--@include store/event
--@include store/usage
--@include votes

-- EXECUTION_CAP is the maximum time, in ms, from a command's first claim that was not released
-- to the end of its last lease.
local EXECUTION_CAP = 12 * 3600 * 1000
-- CLAIMS_CAP is the maximum number of claims of a command, including released claims. Each
-- claim writes two events, so an unlimited number of claims would fill the store. A device that
-- claims and releases a command once a minute stays below the cap for a day.
local CLAIMS_CAP = 2000
-- HISTORY_CAP is the maximum number of claims that a command's history keeps.
local HISTORY_CAP = 20
-- COMMAND_BYTES is the number of bytes that a command counts besides its body and its result.
-- It stands for the state, the entries in indexes and the remembered answer.
local COMMAND_BYTES = 2048
-- FINAL holds the final statuses. Only a late result replaces a final status.
local FINAL = {
  succeeded = true, failed = true, timed_out = true,
  rejected = true, cancelled = true, expired = true,
}

-- DEADLINE maps a status to the field that holds the deadline of a command in that status. The
-- record must have this field.
local DEADLINE = { pending_approval = 'approve_by', queued = 'deliver_by', claimed = 'visible' }

-- is_table reports whether an optional field is absent or a table.
local function is_table(value)
  return value == nil or type(value) == 'table'
end

-- have_voters reports whether each entry of an optional list of votes is a table with the actor who voted.
-- It raises an error for most others.
local function have_voters(votes)
  for _, vote in ipairs(votes or {}) do
    if vote.by .. '' ~= vote.by then
      return false
    end
  end
  return true
end

-- has_types reports whether the fields of a record that the scripts use have their types. Only a
-- number equals itself plus zero, and only a string equals itself joined with nothing; most other
-- values raise an error. A call of type for each field takes three times as long. The value false of an
-- optional field is refused too: scripts would take it for a time or a text.
local function has_types(c)
  local bytes, first, approve_by = c.bytes, c.first, c.approve_by
  local token, past, result, digest, mac = c.token, c.past, c.result, c.digest, c.mac
  local name, email, retry_of, trace = c.proposer_name, c.proposer_email, c.retry_of, c.trace
  local required = c.required
  return c.seq + 0 == c.seq and c.priority + 0 == c.priority and c.max + 0 == c.max and c.attempt + 0 == c.attempt
    and c.claims + 0 == c.claims and c.created + 0 == c.created and c.deliver_by + 0 == c.deliver_by
    and (bytes == nil or bytes + 0 == bytes) and (first == nil or first + 0 == first)
    and (approve_by == nil or approve_by + 0 == approve_by)
    and c.session .. '' == c.session and c.request .. '' == c.request and c.proposer .. '' == c.proposer
    and (token == nil or token .. '' == token) and (past == nil or past .. '' == past)
    and (result == nil or result .. '' == result) and (digest == nil or digest .. '' == digest)
    and (mac == nil or mac .. '' == mac) and (name == nil or name .. '' == name)
    and (email == nil or email .. '' == email) and (retry_of == nil or retry_of .. '' == retry_of)
    and (trace == nil or trace .. '' == trace)
    and (required == nil or required + 0 == required)
    and is_table(c.history) and is_table(c.approval) and is_table(c.votes) and is_table(c.glass)
    and have_voters(c.votes)
end

-- is_valid reports whether the scripts can process a decoded record. It checks every field
-- that the scripts use, so that no script fails after it has written something.
local function is_valid(c)
  local checked, valid = pcall(has_types, c)
  if not (checked and valid) then
    return false
  end
  local deadline = DEADLINE[c.status] or (FINAL[c.status] and 'finished')
  local newest = c.history and c.history[#c.history]
  return deadline and type(c[deadline]) == 'number'
    and (c.first ~= nil or (c.attempt == 0 and c.status ~= 'claimed'))
    and (newest == nil or type(newest) == 'table')
end

-- JSON_BEGIN is the first byte of a state in JSON. A packed state never begins with it.
local JSON_BEGIN = 123

-- decode_state decodes the text of a state. It raises an error, or returns anything, for a text that
-- is none. The second value is not nil for a packed state that more bytes follow.
local function decode_state(raw)
  if string.byte(raw) == JSON_BEGIN then
    return cjson.decode(raw)
  end
  return cmsgpack.unpack(raw)
end

-- parse_command returns the state of a command, of which raw is the text, and stores the text in
-- device.state for the reply. It returns (nil, false) if the command has no record, and (nil, true)
-- if the record is invalid.
local function parse_command(device, raw)
  if not raw then
    return nil, false
  end
  local decoded, c, more = pcall(decode_state, raw)
  if not decoded or more ~= nil or not is_valid(c) then
    return nil, true
  end
  device.state = raw
  return c, false
end

-- load_command reads the state of a command and returns what parse_command does.
local function load_command(device, id)
  return parse_command(device, redis.call('HGET', device.commands, id))
end

-- encode_command returns the state of a command as the text that parse_command parses.
local function encode_command(c)
  return (c.packed and cmsgpack.pack or cjson.encode)(c)
end

-- save_command writes the state of a command, and other fields of the hash that follow with their
-- values. It also stores the state as text in device.state, for the reply.
local function save_command(device, id, c, ...)
  device.state = encode_command(c)
  redis.call('HSET', device.commands, id, device.state, ...)
end

-- body_field returns the field of the commands hash that holds a command's body.
local function body_field(id)
  return id .. ':body'
end

-- head_field returns the field of the commands hash that holds a command's body without its
-- parameters.
local function head_field(id)
  return id .. ':head'
end

-- result_field returns the field of the commands hash that holds a command's result.
local function result_field(id)
  return id .. ':result'
end

-- aside_field returns the field of the commands hash that exists while a command is
-- quarantined.
local function aside_field(id)
  return id .. ':aside'
end

-- conflict_field returns the field of the commands hash that holds another result than the one that
-- stands.
local function conflict_field(id)
  return id .. ':conflict'
end

-- index_member returns a command's member in the device's index of commands by session.
local function index_member(session, id)
  return session .. ':' .. id
end

-- listed_member returns a command's member in the tenant's index of commands, as
-- store.Device.ListedMember does. It leaves out the kind and the partition, which begin both ids.
local function listed_member(device, id)
  return string.sub(id, 7) .. string.sub(device.id, 7)
end

-- inbox_member returns a command's member in the tenant's approval inbox.
local function inbox_member(device, id)
  return id .. ' ' .. device.id
end

-- next_deadline returns the time at which the command changes if no request changes it
-- earlier.
local function next_deadline(device, c)
  if c.status == 'pending_approval' then
    return c.approve_by
  elseif c.status == 'queued' then
    return math.min(c.deliver_by, (c.first or c.deliver_by) + EXECUTION_CAP)
  elseif c.status == 'claimed' then
    return c.visible
  end
  return c.finished + device.retention
end

-- schedule sets the command's next deadline in the due index.
local function schedule(device, id, c)
  set_due(device, 'command', id, next_deadline(device, c))
end

-- set_aside holds the ids of the commands that this run of the script has quarantined.
local set_aside = {} --@state

-- remove_ready removes the command from the ready set, and counts it if it was there.
local function remove_ready(device, id)
  count(device, 'readyCommands', -redis.call('ZREM', device.ready, id))
end

-- quarantine removes a command from every structure that scripts act on, so that it no longer
-- blocks other commands, and adds it to the quarantine. The command's record stays, so that an
-- operator can read it.
local function quarantine(device, id)
  set_aside[#set_aside + 1] = id
  remove_ready(device, id)
  redis.call('ZREM', device.pending, id)
  redis.call('ZREM', device.leases, id)
  redis.call('SREM', device.cancels, id)
  redis.call('ZREM', device.inbox, inbox_member(device, id))
  remove_due(device, 'command', id)
  redis.call('RPUSH', device.quarantine, due_member(device, 'command', id))
  if redis.call('HEXISTS', device.commands, id) == 1 then
    redis.call('HSET', device.commands, aside_field(id), ms(clock()))
  end
end

-- quarantined returns the ids of set_aside, joined by spaces, for the reply.
local function quarantined()
  return table.concat(set_aside, ' ')
end

-- unlist removes the command from the structures that hold commands of its status.
local function unlist(device, id, c)
  if c.status == 'pending_approval' then
    redis.call('ZREM', device.pending, id)
    if not needs_review(c) then
      redis.call('ZREM', device.inbox, inbox_member(device, id))
    end
  elseif c.status == 'queued' then
    remove_ready(device, id)
  elseif c.status == 'claimed' then
    redis.call('ZREM', device.leases, id)
    if c.cancel then
      redis.call('SREM', device.cancels, id)
    end
  end
end

-- record_claim adds the newest claim to the command's history.
local function record_claim(c, now)
  c.history = c.history or {}
  c.history[#c.history + 1] = { attempt = c.attempt, claimed = now }
  if #c.history > HISTORY_CAP then
    table.remove(c.history, 1)
  end
end

-- record_claim_end records how the newest claim ended. A late result replaces the outcome
-- that was recorded when the lease expired.
local function record_claim_end(c, now, outcome)
  local newest = c.history and c.history[#c.history]
  if newest then
    newest.ended, newest.outcome = now, outcome
  end
end

-- unclaim takes the newest claim of a claimed command back. The claim does not count as an attempt,
-- and its token is invalid from then on. The caller gives the command its next status.
local function unclaim(c, now)
  record_claim_end(c, now, 'released')
  c.attempt, c.returned = c.attempt - 1, true
  if c.attempt == 0 then
    c.first = nil
  end
end

-- ready_score returns the command's score in the ready set. A higher priority comes
-- first; within a priority, a lower sequence number comes first.
local function ready_score(c)
  return (9 - c.priority) * 1e13 + c.seq
end

-- lacks_approval reports whether the command needs approvals that it does not have. Such a command
-- never runs, even if the ready set contains it.
local function lacks_approval(c)
  if not c.approve_by then
    return false
  elseif not (c.approval and c.approval.decision == 'approved') then
    return true
  end
  return c.required ~= nil and not c.approval.glass and count_votes(c) < c.required
end

-- is_in_inbox reports whether the tenant's inbox has the command: it waits for a decision, or for the
-- review of one.
local function is_in_inbox(c)
  return c.status == 'pending_approval' or needs_review(c)
end

-- missing_part returns "approval" or "body" if the command is queued but lacks its approval or
-- its body. It returns nil for any other command.
local function missing_part(device, id, c)
  if c.status ~= 'queued' then
    return nil
  elseif lacks_approval(c) then
    return 'approval'
  end
  return redis.call('HEXISTS', device.commands, body_field(id)) == 0 and 'body' or nil
end

-- enqueue adds the command to the ready set, ordered by priority and sequence number. Apart from
-- enqueue, only the scripts that put a lost or a quarantined command back add to the ready set. The
-- other arguments are passed to save_command.
local function enqueue(device, id, c, now, ...)
  unlist(device, id, c)
  c.status = 'queued'
  c.queued = now
  count(device, 'readyCommands', redis.call('ZADD', device.ready, ms(ready_score(c)), id))
  schedule(device, id, c)
  save_command(device, id, c, ...)
end

-- await_approval moves the command to pending_approval, where it stays until c.approve_by. The other
-- arguments are passed to save_command.
local function await_approval(device, id, c, ...)
  unlist(device, id, c)
  c.status = 'pending_approval'
  redis.call('ZADD', device.pending, c.seq, id)
  redis.call('ZADD', device.inbox, '0', inbox_member(device, id))
  schedule(device, id, c)
  save_command(device, id, c, ...)
end

-- finish moves the command to a final status. The due index then holds the end of the
-- command's retention. The other arguments are passed to save_command.
local function finish(device, id, c, status, now, ...)
  unlist(device, id, c)
  c.status = status
  c.finished = now
  schedule(device, id, c)
  save_command(device, id, c, ...)
end

-- finish_without_result moves the command to a final status and records the event. It
-- records no result.
--   e.actor, e.request  override the actor and the request of the scope
--   e.data              data of the event
local function finish_without_result(device, id, c, status, now, e)
  finish(device, id, c, status, now)
  emit(device, now, 'command.' .. status, {
    session = c.session, command = id, actor = e.actor, request = e.request, trace = c.trace, data = e.data,
  })
end

-- session_ended reports whether the command's session has ended or its device is
-- decommissioned. The command may then no longer be delivered. session_ended reads the
-- device's record only once in each run of a script.
local function session_ended(device, c, now)
  if not device.session then
    local status, session, session_until = read_fields(device.record, 'status', 'session', 'session_until')
    device.decommissioned = status == 'decommissioned'
    device.session = session or ''
    device.session_until = tonumber(session_until or 0)
  end
  return device.decommissioned or device.session ~= c.session or device.session_until <= now
end

-- finish_by_system moves the command to a final status, with the system as the actor.
local function finish_by_system(device, id, c, status, now)
  finish_without_result(device, id, c, status, now, {
    actor = SYSTEM, request = c.request, data = { attempt = c.attempt },
  })
end

-- is_exhausted reports whether the command has reached CLAIMS_CAP or EXECUTION_CAP.
local function is_exhausted(c, now)
  return c.claims >= CLAIMS_CAP or (c.first ~= nil and c.first + EXECUTION_CAP <= now)
end

-- expire_lease ends a lease that has expired. If the command has no attempts left, its status
-- becomes timed_out. Otherwise the command is queued again. Its status then becomes cancelled
-- if a user has cancelled it, or expired if it may no longer be delivered.
local function expire_lease(device, id, c, now)
  if c.attempt >= c.max or is_exhausted(c, now) then
    record_claim_end(c, now, 'timed_out')
    return finish_by_system(device, id, c, 'timed_out', now)
  end
  local expired = session_ended(device, c, now) or c.deliver_by <= now
  local cancel = c.cancel
  record_claim_end(c, now, 'requeued')
  enqueue(device, id, c, now)
  emit(device, now, 'command.requeued', {
    session = c.session, command = id, actor = SYSTEM, request = c.request, trace = c.trace, data = { attempt = c.attempt },
    ready = not (expired or cancel),
  })
  if cancel then
    finish_by_system(device, id, c, 'cancelled', now)
  elseif expired then
    finish_by_system(device, id, c, 'expired', now)
  end
end

-- settle applies the deadlines that have passed since the command's last transition. It
-- returns true if the command has changed.
local function settle(device, id, c, now)
  local deadline = (c.status == 'pending_approval' and c.approve_by) or (c.status == 'queued' and c.deliver_by)
  if c.status == 'claimed' and c.visible <= now then
    expire_lease(device, id, c, now)
  elseif deadline and (deadline <= now or session_ended(device, c, now)) then
    finish_by_system(device, id, c, 'expired', now)
  elseif deadline and is_exhausted(c, now) then
    finish_by_system(device, id, c, 'timed_out', now)
  else
    return false
  end
  return true
end

-- settle_leases settles at most `limit` expired leases of the device. A claim calls it first,
-- so that claims are correct even when no sweeper runs.
local function settle_leases(device, now, limit)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', device.leases, '-inf', ms(now), 'LIMIT', '0', limit)) do
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

-- each_unclaimed calls visit with the id and the state of each queued and each pending command of the
-- device. It repairs entries of other commands. The work is bounded, because the ready set and the
-- pending set have a maximum size.
local function each_unclaimed(device, visit)
  for i, key in ipairs({ device.ready, device.pending }) do
    for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      local c = load_command(device, id)
      if not c then
        quarantine(device, id)
      elseif c.status == 'queued' or c.status == 'pending_approval' then
        visit(id, c)
      elseif i == 1 then
        remove_ready(device, id)
      else
        redis.call('ZREM', key, id)
      end
    end
  end
end

-- finish_unclaimed moves the queued and the pending commands of the device to a final status.
local function finish_unclaimed(device, now, status, e)
  each_unclaimed(device, function(id, c)
    finish_without_result(device, id, c, status, now, e)
  end)
end
