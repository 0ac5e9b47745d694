-- renew_sockets renews the leases of sockets of users of one tenant.
-- KEYS[1]    the tenant's index of connections
-- KEYS[2]    the tenant's leases of sockets
-- KEYS[3..]  the records of the connections
-- ARGV[1]    length of the lease, in ms
-- ARGV[2..]  the id of each connection, followed by its record
-- Returns {"ok", "", {ids of the connections that an administrator has closed}}
-- Guarantees that a registration that was lost in an outage or with the store's data is
-- written again.
--@include store/reply
--@include connection
local index_key, leases_key = KEYS[1], KEYS[2]
local RECORDS = 3 -- where the records begin in KEYS
local lease = tonumber(ARGV[1])
local kicked = {}

for i = RECORDS, #KEYS do
  local at = 2 * (i - RECORDS) + 2 -- where the connection begins in ARGV
  local record_key, id, record = KEYS[i], ARGV[at], ARGV[at + 1]
  if redis.call('GET', record_key) == KICKED then
    kicked[#kicked + 1] = id
  else
    register(record_key, index_key, leases_key, id, record, lease)
  end
end
return ok(kicked)
