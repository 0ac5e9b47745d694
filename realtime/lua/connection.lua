-- The registration of a socket. Its record is JSON that lives as long as its lease.

-- What stands in place of the record once somebody has ended the connection.
local KICKED = 'kicked'

-- Writes the record of a connection for so many ms, and puts its id into the index,
-- which ends with the last lease in it. The keys are those of both.
local function register(keys, id, record, lease)
  redis.call('SET', keys.record, record, 'PX', lease)
  redis.call('ZADD', keys.index, 0, id)
  redis.call('PEXPIRE', keys.index, lease)
end
