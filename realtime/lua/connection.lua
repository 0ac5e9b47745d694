-- This fragment registers a socket for all instances. Its record is JSON that lives as long
-- as the socket's lease.
--@include store/base

-- KICKED replaces the record of a connection that an administrator has closed.
local KICKED = 'kicked'

-- register writes the record of a connection and adds its id to the index of the tenant.
-- The index expires with the last lease in it; the lease is in ms.
local function register(record_key, index_key, id, record, lease)
  redis.call('SET', record_key, record, 'PX', ms(lease))
  redis.call('ZADD', index_key, 0, id)
  redis.call('PEXPIRE', index_key, ms(lease))
end
