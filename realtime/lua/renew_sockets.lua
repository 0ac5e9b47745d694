-- renew_sockets renews the leases of sockets of one tenant that are as their instance left them.
-- KEYS[1]    the tenant's index of connections
-- KEYS[2]    the tenant's leases of sockets
-- KEYS[3]    the due index
-- KEYS[4..]  the record of each connection, followed by the record of its device if it has one
-- ARGV[1]    length of the lease, in ms
-- ARGV[2]    the tenant
-- ARGV[3..]  the id of each connection, followed by the id of its device, which is empty for a user
-- Returns {"ok", "", {ids of the connections that were not renewed}}
-- Guarantees that it changes nothing of a socket whose registration was lost, that was closed by an
-- administrator, or whose device has a newer socket, is not active or does not count as online.
-- renew_socket.lua decides about these.
--@include store/due
--@include store/reply
--@include connection
local index_key, leases_key = KEYS[1], KEYS[2]
local CONNECTIONS, RECORDS = 3, 4 -- where the connections begin in ARGV, and their records in KEYS
local lease, tenant = tonumber(ARGV[1]), ARGV[2]
local now, others, open, leases = clock(), {}, {}, {}

-- is_open reports whether a connection is registered and was not closed by an administrator.
local function is_open(record_key)
  local record = redis.call('GET', record_key)
  return record and record ~= KICKED
end

-- is_online reports whether the device is active and online, and the connection is its newest.
local function is_online(device_key, id)
  local newest, status, presence = read_fields(device_key, 'connection', 'status', 'presence')
  return newest == id and status == 'active' and presence == 'online'
end

-- keep_online is the part of device/presence.lua for a device that is online already.
local function keep_online(device_key, device_id)
  local ends = ms(now + lease)
  redis.call('HSET', device_key, 'connection_until', ends, 'last_seen', ms(now), 'online_until', ends)
  set_due({ due = KEYS[3], id = device_id, tenant = tenant }, 'presence', device_id, now + lease)
end

local at = RECORDS
for arg = CONNECTIONS, #ARGV, 2 do
  local id, device_id = ARGV[arg], ARGV[arg + 1]
  local record_key, device_key = KEYS[at], KEYS[at + 1]
  local has_device = device_id ~= ''
  at = at + (has_device and 2 or 1)
  if is_open(record_key) and (not has_device or is_online(device_key, id)) then
    redis.call('PEXPIRE', record_key, ms(lease))
    if has_device then
      keep_online(device_key, device_id)
    end
    open[#open + 1] = 0
    open[#open + 1] = id
    leases[#leases + 1] = ms(now + lease)
    leases[#leases + 1] = id
  else
    others[#others + 1] = id
  end
end
if #open > 0 then
  redis.call('ZADD', index_key, unpack(open))
  redis.call('PEXPIRE', index_key, ms(lease))
  redis.call('ZADD', leases_key, unpack(leases))
  redis.call('PEXPIRE', leases_key, ms(lease))
end
return ok(others)
