-- This fragment writes the due index of a partition: a sorted set of everything that time
-- will change, by the Unix milliseconds at which the sweeper settles it.
--@include store/base

-- due_member returns the member for a command, a session or the presence of a device. The
-- kind is the one by which the sweeper finds the settler. Go reads it with parseDue.
local function due_member(device, kind, id)
  return kind .. ' ' .. id .. ' ' .. device.id .. ' ' .. device.tenant
end

-- set_due has the sweeper settle something at a time. It replaces an earlier one.
local function set_due(device, kind, id, at)
  redis.call('ZADD', device.due, ms(at), due_member(device, kind, id))
end

-- remove_due removes something from the due index. It returns 1, or 0 when nothing was there.
local function remove_due(device, kind, id)
  return redis.call('ZREM', device.due, due_member(device, kind, id))
end

-- read_due returns the time at which something is due, as text, or false when it is not in
-- the due index.
local function read_due(device, kind, id)
  return redis.call('ZSCORE', device.due, due_member(device, kind, id))
end
