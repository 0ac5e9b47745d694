-- renew_sockets renews the leases of sockets of users of one tenant.
-- KEYS[1]    the tenant's index of connections
-- KEYS[2..]  the records of the connections
-- ARGV[1]    length of the lease, in ms
-- ARGV[2..]  the id of each connection, followed by its record
-- Returns {"ok", "", {ids of the connections that an administrator has closed}}
-- Guarantees that a registration that was lost in an outage or with the store's data is
-- written again.
--@include store/reply
--@include connection
local index_key = KEYS[1]
local lease = tonumber(ARGV[1])
local kicked = {}

for i = 2, #KEYS do
  local record_key, id, record = KEYS[i], ARGV[2 * i - 2], ARGV[2 * i - 1]
  if redis.call('GET', record_key) == KICKED then
    kicked[#kicked + 1] = id
  else
    register(record_key, index_key, id, record, lease)
  end
end
return ok(kicked)
