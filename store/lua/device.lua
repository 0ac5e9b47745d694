-- DEVICE_KEYS is the length of a device's key set, the one of store.Device.Keys.
local DEVICE_KEYS = 12
-- DEVICE_ARGS is the length of a scope, the one of store.Scope.Args.
local DEVICE_ARGS = 5

-- device_at returns the key set of a device, which begins at KEYS[key], with the scope of
-- the call, which begins at ARGV[arg]. Both are in the order of their Go functions.
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
    retention = tonumber(ARGV[arg + 4]), -- ms
  }
end
