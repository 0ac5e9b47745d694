-- This fragment takes entries out of a quarantine.

-- obstacle returns why an entry cannot move from a quarantine to the due index: "missing" if the
-- quarantine has no such entry, and "scheduled" if the due index has the member already. It
-- returns nil if the entry can be moved.
local function obstacle(due_key, quarantine_key, member)
  for _, entry in ipairs(redis.call('LRANGE', quarantine_key, 0, -1)) do
    if entry == member then
      return redis.call('ZSCORE', due_key, member) and 'scheduled' or nil
    end
  end
  return 'missing'
end

-- take_entry removes an entry from a quarantine, which may have it several times.
local function take_entry(quarantine_key, member)
  redis.call('LREM', quarantine_key, 0, member)
end
