-- DEVICE_KEYS is the number of keys that store.Device.Keys returns.
local DEVICE_KEYS = 13
-- DEVICE_ARGS is the number of arguments in a scope. The function store.Scope.Args returns
-- them first.
local DEVICE_ARGS = 5

-- present returns a text, or nil if the text is empty.
local function present(text)
  return text ~= '' and text or nil
end

-- device_at returns a table with the key set of a device and the scope of the call. The
-- key set begins at KEYS[key] and has the order of store.Device.Keys. The scope begins at
-- ARGV[arg] and has the order of store.Scope.Args. The names of a user are lines after the actor;
-- actor_name and actor_email are nil if the user has none.
local function device_at(key, arg)
  local actor, name, email = string.match(ARGV[arg + 2], '^([^\n]*)\n?([^\n]*)\n?([^\n]*)')
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
    usage = KEYS[key + 12],
    tenant = ARGV[arg],
    id = ARGV[arg + 1],
    actor = actor,
    actor_name = present(name),
    actor_email = present(email),
    request = ARGV[arg + 3],
    retention = tonumber(ARGV[arg + 4]), -- ms
  }
end
