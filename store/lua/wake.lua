-- wake publishes a wake-up to every instance. It carries no truth: an instance that misses
-- it reads the same in the event stream or from its own records. Go reads it with parseWake.
--   kind   "ready" or "event" with the id of an event; "socket" or "kick" with the id of a
--          connection; "logout" of a device, with "-" for the tenant and the id
local function wake(kind, device_id, tenant, id)
  redis.call('PUBLISH', 'fg:wake', table.concat({ kind, device_id, tenant, id }, ' '))
end
