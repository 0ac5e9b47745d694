-- This fragment writes the due index of a partition: a sorted set of the records that
-- have to change at a later time. The score is that time in Unix milliseconds. The
-- sweeper settles each record then.
--@include store/base

-- due_member returns the member of the due index for a command, a session or the presence
-- of a device. The kind selects the function with which the sweeper settles the member.
-- The Go function parseDue parses the member.
local function due_member(device, kind, id)
  return kind .. ' ' .. id .. ' ' .. device.id .. ' ' .. device.tenant
end

-- set_due schedules the time at which the sweeper settles a member. It replaces a time
-- that was set before.
local function set_due(device, kind, id, at)
  redis.call('ZADD', device.due, ms(at), due_member(device, kind, id))
end

-- remove_due removes a member from the due index. It returns 1, or 0 if the index had no
-- such member.
local function remove_due(device, kind, id)
  return redis.call('ZREM', device.due, due_member(device, kind, id))
end

-- read_due returns the time at which a member is due, as text. It returns false if the
-- due index has no such member.
local function read_due(device, kind, id)
  return redis.call('ZSCORE', device.due, due_member(device, kind, id))
end
