-- wake publishes a wake-up to every instance. A wake-up is only a hint: an instance that
-- misses it finds the change in the event stream or in its own records. The Go function
-- parseWake parses it.
--   kind "ready", "event"  id is the id of an event
--   kind "room"            the same, for an event that concerns only the subscribers of rooms. An
--                          instance of an earlier release takes it for "event"
--   kind "socket", "kick"  id is the id of a connection
--   kind "logout"          tenant and id are "-"
--   kind "progress"  id is the id of the command. An instance of an earlier release takes it for an
--                    event that it finds no entry of
--   kind "cut-off"         device_id and id are "-"
--   kind "policy"          the same; an instance of an earlier release takes it for an event that it
--                          finds no entry of
local function wake(kind, device_id, tenant, id)
  redis.call('PUBLISH', 'fg:wake', table.concat({ kind, device_id, tenant, id }, ' '))
end
