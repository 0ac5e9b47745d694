-- wake publishes a wake-up to every instance. A wake-up is only a hint: an instance that
-- misses it finds the change in the event stream or in its own records. Go reads it with
-- parseWake.
--   kind   "ready" or "event" with the id of an event; "socket" or "kick" with the id of a
--          connection; "logout" of a device, with "-" for the tenant and the id
local function wake(kind, device_id, tenant, id)
  redis.call('PUBLISH', 'fg:wake', table.concat({ kind, device_id, tenant, id }, ' '))
end
