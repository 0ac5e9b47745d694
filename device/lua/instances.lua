-- This fragment notices that two instances of the device's software use one identity, such as two
-- machines whose disks are copies. An instance is one start of the software. It names itself with a
-- random id when it logs in or claims. The device's record has:
--   instance   id of the instance that may act: the newest, or the one that a user has chosen
--   instances  the latest instances as JSON, in the order in which they appeared:
--              {id, first, seen, address}; first and seen are times in Unix ms
--   conflict   time in Unix ms since which two instances act in turn; absent if none do
--@include store/base
--@include store/device
--@include store/event

-- MAX_INSTANCES is the number of instances that a device's record keeps.
local MAX_INSTANCES = 4
-- INSTANCE_SEEN_EVERY is the minimum interval, in ms, between two writes of the time at which an
-- instance was seen during a conflict.
local INSTANCE_SEEN_EVERY = 60000

-- read_instances returns the instances that the record keeps. It returns none for a damaged field.
local function read_instances(device)
  local stored = redis.call('HGET', device.record, 'instances')
  local decoded, instances = pcall(cjson.decode, stored)
  return decoded and type(instances) == 'table' and instances or {}
end

-- find_instance returns the instance with the id, or nil.
local function find_instance(instances, id)
  for _, one in ipairs(instances) do
    if one.id == id then
      return one
    end
  end
end

-- add_instance adds a new instance, which takes the place of the current one, as after a restart.
local function add_instance(device, now, instances, current, id, address)
  local before = find_instance(instances, current)
  if before then
    before.seen = math.max(before.seen, tonumber(redis.call('HGET', device.record, 'last_seen') or 0))
  end
  instances[#instances + 1] = { id = id, first = now, seen = now, address = present(address) }
  if #instances > MAX_INSTANCES then
    table.remove(instances, 1)
  end
  redis.call('HSET', device.record, 'instance', id, 'instances', cjson.encode(instances))
end

-- start_conflict records that an instance acts although another one has taken its place.
local function start_conflict(device, now, current, id)
  redis.call('HSET', device.record, 'conflict', ms(now))
  emit(device, now, 'device.identity_conflict', { data = { instances = { current, id } } })
end

-- note_instance records which instance has sent the request, and reports whether the device's
-- instances are in conflict. A new instance is a restart. If an instance acts after another one has
-- taken its place, both are alive: that is a conflict, which lasts until a user resolves it.
--   id       id of the instance; empty if the request names none
--   address  address of the device; may be empty
local function note_instance(device, now, id, address)
  local current, conflict = read_fields(device.record, 'instance', 'conflict')
  if id == '' or (id == current and not conflict) then
    return conflict and true or false
  end
  local instances = read_instances(device)
  local known = find_instance(instances, id)
  if not known then
    add_instance(device, now, instances, current, id, address)
    return conflict and true or false
  end
  if not conflict then
    start_conflict(device, now, current, id)
  elseif known.seen + INSTANCE_SEEN_EVERY > now then
    return true
  end
  known.seen = now
  redis.call('HSET', device.record, 'instances', cjson.encode(instances))
  return true
end

-- forget_instances removes what is known about instances, because the earlier secret of the device
-- is invalid.
local function forget_instances(device)
  redis.call('HDEL', device.record, 'instance', 'instances', 'conflict')
end
