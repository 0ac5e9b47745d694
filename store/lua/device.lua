-- The key set of a device, and who acts on it.
-- KEYS from `key`: the twelve of store.Device.Keys, in that order.
-- ARGV from `arg`: tenant, device id, actor, request id, retention in ms
-- (those of store.Scope.Args, in that order).
local function device_at(key, arg)
  return {
    record = KEYS[key],
    commands = KEYS[key + 1],
    index = KEYS[key + 2],
    ready = KEYS[key + 3],
    pending = KEYS[key + 4],
    leases = KEYS[key + 5],
    cancels = KEYS[key + 6],
    timeline = KEYS[key + 7],
    stream = KEYS[key + 8],
    inbox = KEYS[key + 9],
    due = KEYS[key + 10],
    quarantine = KEYS[key + 11],
    tenant = ARGV[arg],
    id = ARGV[arg + 1],
    actor = ARGV[arg + 2],
    request = ARGV[arg + 3],
    retention = tonumber(ARGV[arg + 4]),
  }
end

local DEVICE_KEYS = 12
local DEVICE_ARGS = 5

-- The store's clock in Unix milliseconds: the only one that decides anything.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Writes a number of milliseconds without an exponent.
local function ms(n)
  return string.format('%.0f', n)
end
