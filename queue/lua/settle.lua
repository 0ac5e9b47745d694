-- settle applies the deadlines that have passed, for a batch of commands. The sweeper of
-- every instance runs it. If two run it for the same command, the second changes nothing.
-- KEYS[1...]  14 keys for each command: its device's key set, and the tenant's index of commands
-- ARGV[1...]  6 arguments for each command: the scope of the call and the command id
-- Returns {"ok", events, quarantined ids, ids that were due and have no record}
-- Guarantees that a due member is removed or has a later time when the script returns.
--@include store/base
--@include store/device
--@include store/due
--@include store/reply
--@include command
--@include report
local now = clock()
local lost = {}

-- forget deletes a finished command at the end of its retention period.
local function forget(device, listed_key, id, c)
  redis.call('HDEL', device.commands, id, body_field(id), head_field(id), result_field(id), aside_field(id), conflict_field(id))
  forget_report(device, id)
  redis.call('ZREM', device.index, index_member(c.session, id))
  redis.call('ZREM', listed_key, listed_member(device, id))
  if needs_review(c) then
    redis.call('ZREM', device.inbox, inbox_member(device, id))
  end
  remove_due(device, 'command', id)
  count_bytes(device, -(c.bytes or 0))
end

-- settle_due settles one due command.
local function settle_due(device, listed_key, id)
  local c, invalid = load_command(device, id)
  if invalid then
    quarantine(device, id)
  elseif not c then
    if remove_due(device, 'command', id) == 1 then
      lost[#lost + 1] = id
    end
  elseif FINAL[c.status] and c.finished + device.retention <= now then
    forget(device, listed_key, id, c)
  elseif FINAL[c.status] or not settle(device, id, c, now) then
    schedule(device, id, c) -- the due index held a wrong time
  end
end

for i = 0, #KEYS / (DEVICE_KEYS + 1) - 1 do
  local scope, first = i * (DEVICE_ARGS + 1) + 1, i * (DEVICE_KEYS + 1) + 1 -- where a command begins in ARGV and in KEYS
  settle_due(device_at(first, scope), KEYS[first + DEVICE_KEYS], ARGV[scope + DEVICE_ARGS])
end
return ok(quarantined(), table.concat(lost, ' '))
