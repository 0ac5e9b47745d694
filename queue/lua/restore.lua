-- restore moves a command from the quarantine back to the structures of its status.
-- KEYS[1..13]  the device's key set
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      "1" for a dry run, which changes nothing
-- Returns {"ok", events, "restored", or why the command stays: "missing" (from the quarantine),
--       "scheduled" (in the due index), "lost" (no record) or "unreadable"}
-- Guarantees that a command is restored once, that only a command that may run enters the ready
-- set, and that deadlines which have passed meanwhile apply at once.
--@include store/base
--@include store/device
--@include store/due
--@include store/entry
--@include store/reply
--@include command
local device = device_at(1, 1)
local id, dry_run = ARGV[6], ARGV[7] == '1'
local now = clock()
local member = due_member(device, 'command', id)

local why = obstacle(device.due, device.quarantine, member)
if why then
  return ok(why)
end
local c, invalid = load_command(device, id)
if not c then
  return ok(invalid and 'unreadable' or 'lost')
elseif missing_part(device, id, c) then
  return ok('unreadable')
elseif dry_run then
  return ok('restored')
end

take_entry(device.quarantine, member)
redis.call('HDEL', device.commands, aside_field(id))
if c.status == 'queued' then
  count(device, 'readyCommands', redis.call('ZADD', device.ready, ms(ready_score(c)), id))
elseif c.status == 'pending_approval' then
  redis.call('ZADD', device.pending, ms(c.seq), id)
elseif c.status == 'claimed' then
  redis.call('ZADD', device.leases, ms(c.visible), id)
  if c.cancel then
    redis.call('SADD', device.cancels, id)
  end
end
if is_in_inbox(c) then
  redis.call('ZADD', device.inbox, 0, inbox_member(device, id))
end
if not settle(device, id, c, now) then
  schedule(device, id, c)
end
return ok('restored')
