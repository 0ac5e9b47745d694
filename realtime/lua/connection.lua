-- This fragment registers a socket for all instances. The socket's record is JSON and
-- expires with the socket's lease.
--@include store/base

-- KICKED is the record of a connection that an administrator has closed.
local KICKED = 'kicked'

-- register writes the record of a connection and adds its id to the tenant's index, and the
-- end of its lease to the tenant's leases. The lease is in ms. The index and the leases
-- expire when the last lease in them does.
local function register(record_key, index_key, leases_key, id, record, lease)
  redis.call('SET', record_key, record, 'PX', ms(lease))
  redis.call('ZADD', index_key, 0, id)
  redis.call('PEXPIRE', index_key, ms(lease))
  redis.call('ZADD', leases_key, ms(clock() + lease), id)
  redis.call('PEXPIRE', leases_key, ms(lease))
end
