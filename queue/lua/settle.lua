-- Brings commands whose moment has come to what time has made of them. Run by
-- the sweepers of all instances: whoever comes second finds nothing to do.
-- KEYS  12 for each command: its device's key set
-- ARGV  6 for each command: the scope, and the command's id
-- Returns {"ok", events, bad, lost}: the ids of records that were set aside, and
--       of those that were due and are gone
-- Guarantees that a due member is gone or has a later moment when this returns.
--@include store/device
--@include store/event
--@include command
local now = clock()
local lost = {}

-- Ends a finished command's retention.
local function forget(device, id, c)
  redis.call('HDEL', device.commands, id, id .. ':body', id .. ':aside')
  redis.call('ZREM', device.index, c.session .. ':' .. id)
  redis.call('ZREM', device.due, due_member('command', id, device))
end

for i = 0, #KEYS / DEVICE_KEYS - 1 do
  local at = i * (DEVICE_ARGS + 1)
  local device, id = device_at(i * DEVICE_KEYS + 1, at + 1), ARGV[at + DEVICE_ARGS + 1]
  local c, broken = load_command(device, id)
  if broken then
    quarantine(device, id)
  elseif not c then
    if redis.call('ZREM', device.due, due_member('command', id, device)) == 1 then
      lost[#lost + 1] = id
    end
  elseif FINAL[c.status] and c.finished + device.retention <= now then
    forget(device, id, c)
  elseif FINAL[c.status] or not settle(device, id, c, now) then
    schedule(device, id, c) -- the entry that led here was wrong
  end
end
return { 'ok', events(), quarantined(), table.concat(lost, ' ') }
