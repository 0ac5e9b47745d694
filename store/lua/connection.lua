-- The registration of a socket. Its record is JSON that lives as long as its lease.

-- What stands in place of the record once somebody has ended the connection.
local KICKED = 'kicked'

-- Writes the record, as the scripts of package realtime get it, and puts it into the
-- index, which ends with the last lease in it.
local function register()
  redis.call('SET', KEYS[1], ARGV[8], 'PX', ARGV[7])
  redis.call('ZADD', KEYS[2], 0, ARGV[6])
  redis.call('PEXPIRE', KEYS[2], ARGV[7])
end
