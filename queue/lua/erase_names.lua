-- erase_names erases the names of a user from commands of a device.
-- KEYS[1..13]  the device's key set
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      the user as an actor, such as "user:alice"
-- ARGV[7...]   command ids
-- Returns {"ok", "", number of commands that had a name, number of commands with an invalid record}
-- Guarantees that a command keeps everything else, whatever other calls have changed since the
-- caller has read it.
--@include store/base
--@include store/device
--@include store/reply
--@include command
--@include names
local device, actor = device_at(1, 1), ARGV[6]
local IDS = 7 -- index of the first id in ARGV

local erased, unreadable = 0, 0
for i = IDS, #ARGV do
  local c, invalid = load_command(device, ARGV[i])
  if invalid then
    unreadable = unreadable + 1
  elseif c and erase_names(c, actor) then
    save_command(device, ARGV[i], c)
    erased = erased + 1
  end
end
return ok(erased, unreadable)
