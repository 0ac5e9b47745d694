-- This fragment registers a socket for all instances. The socket's record is JSON and
-- expires with the socket's lease.
--@include store/base

-- KICKED is the record of a connection that an administrator has closed.
local KICKED = 'kicked'

-- register writes the record of a connection and adds the connection's id to the tenant's
-- index. The lease is in ms. The index expires with its last lease.
local function register(record_key, index_key, id, record, lease)
  redis.call('SET', record_key, record, 'PX', ms(lease))
  redis.call('ZADD', index_key, 0, id)
  redis.call('PEXPIRE', index_key, ms(lease))
end
