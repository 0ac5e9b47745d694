-- This fragment notices that two instances of the device's software use one identity, such as two
-- machines whose disks are copies. An instance is one start of the software. It names itself with a
-- random id when it logs in or claims. The device's record has:
--   instance   id of the instance that may act: the newest, or the one that a user has chosen
--   instances  the latest instances as JSON, in the order in which they appeared:
--              {id, first, seen, address}; first and seen are times in Unix ms
--   earlier_instances
--              digests of the instances before those, the newest last, joined by spaces
--   conflict   time in Unix ms since which two instances act in turn; absent if none do
--@include store/base
--@include store/device
--@include store/event

-- MAX_INSTANCES is the number of instances that a device's record keeps with their times, and
-- CONFLICT_INSTANCES is the number during a conflict, when users must see all that act.
local MAX_INSTANCES, CONFLICT_INSTANCES = 4, 16
-- MAX_EARLIER is the number of instances before those that are recognized when they act again. Five
-- machines that act in turn would otherwise look like one that restarts again and again.
local MAX_EARLIER = 64
-- DIGEST_LENGTH is the length of the digest of an instance. Of 40 bits, two are equal by chance in one of
-- ten billion restarts.
local DIGEST_LENGTH = 10
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

-- digest_of returns the digest of the id of an instance.
local function digest_of(id)
  return string.sub(redis.sha1hex(id or ''), 1, DIGEST_LENGTH)
end

-- is_earlier reports whether an instance is one of those of which the record keeps only the digest.
local function is_earlier(device, id)
  local earlier = redis.call('HGET', device.record, 'earlier_instances')
  return earlier and string.find(earlier, digest_of(id), 1, true) ~= nil
end

-- remember_earlier keeps the digest of an instance.
local function remember_earlier(device, id)
  local earlier = redis.call('HGET', device.record, 'earlier_instances')
  earlier = (earlier and earlier .. ' ' or '') .. digest_of(id)
  redis.call('HSET', device.record, 'earlier_instances', string.sub(earlier, -MAX_EARLIER * (DIGEST_LENGTH + 1) + 1))
end

-- list_instance adds an instance to the list. Of those that no longer fit, only the digests are kept.
local function list_instance(device, instances, longest, one)
  instances[#instances + 1] = one
  while #instances > longest do
    remember_earlier(device, table.remove(instances, 1).id)
  end
end

-- add_instance adds a new instance, which takes the place of the current one, as after a restart.
local function add_instance(device, now, instances, current, conflict, id, address)
  local before = find_instance(instances, current)
  if before then
    before.seen = math.max(before.seen, tonumber(redis.call('HGET', device.record, 'last_seen') or 0))
  end
  local longest = conflict and CONFLICT_INSTANCES or MAX_INSTANCES
  list_instance(device, instances, longest, { id = id, first = now, seen = now, address = present(address) })
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
  if not known and is_earlier(device, id) then
    known = { id = id, first = now, seen = 0, address = present(address) }
    list_instance(device, instances, CONFLICT_INSTANCES, known)
  elseif not known then
    add_instance(device, now, instances, current, conflict, id, address)
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
  redis.call('HDEL', device.record, 'instance', 'instances', 'earlier_instances', 'conflict')
end
