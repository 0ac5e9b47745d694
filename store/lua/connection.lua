-- The registration of a socket. Its record is JSON that lives as long as its lease.

-- What stands in place of the record once somebody has ended the connection.
local KICKED = 'kicked'

-- Writes the record of a connection for so many ms, and puts its id into the index,
-- which ends with the last lease in it.
local function register(key, index, id, record, lease)
  redis.call('SET', key, record, 'PX', lease)
  redis.call('ZADD', index, 0, id)
  redis.call('PEXPIRE', index, lease)
end
