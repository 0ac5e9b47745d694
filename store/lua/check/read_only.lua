-- This fragment turns a script that repairs into a check. It comes before all other text of the
-- script. It replaces redis.call for a command that writes: the command then writes nothing and
-- returns what it would have returned. A real server also refuses every other write, because the
-- check has the flag no-writes.
local redis = (function(server)
  local function found(n)
    return n and n ~= 0 and 1 or 0
  end
  local function none()
    return 0
  end
  local replies = {
    ZADD = function(key, _, member)
      return server.call('ZSCORE', key, member) and 0 or 1
    end,
    ZREM = function(key, member)
      return found(server.call('ZSCORE', key, member))
    end,
    SADD = function(key, member)
      return 1 - server.call('SISMEMBER', key, member)
    end,
    SREM = function(key, member)
      return server.call('SISMEMBER', key, member)
    end,
    HDEL = function(key, ...)
      local n = 0
      for _, field in ipairs({ ... }) do
        n = n + server.call('HEXISTS', key, field)
      end
      return n
    end,
    XADD = function()
      return '0-0'
    end,
    HSET = none,
    HINCRBY = none,
    PEXPIRE = none,
    PUBLISH = none,
    RPUSH = none,
  }
  return {
    call = function(name, ...)
      local reply = replies[name]
      if reply then
        return reply(...)
      end
      return server.call(name, ...)
    end,
  }
end)(redis)
