-- This fragment counts what a tenant uses, and checks its quotas. The usage record of a
-- tenant is a hash:
--   <quota>:added, <quota>:freed  totals of what was counted. Their difference is in use. With
--                  two totals the reconciler can find a wrong count while scripts change it.
--   <quota>:limit  the limit of the tenant, instead of the one of the installation; 0 is no
--                  limit
--   corrections    number of corrections by the reconciler
-- Open sessions, ready commands and stored bytes are counted. What the other quotas limit has
-- an index, whose length is in use.
--@include store/base
--@include store/reply

-- count adds n to what the tenant uses of a quota. It subtracts for a negative n.
local function count(device, quota, n)
  if n > 0 then
    redis.call('HINCRBY', device.usage, quota .. ':added', ms(n))
  elseif n < 0 then
    redis.call('HINCRBY', device.usage, quota .. ':freed', ms(-n))
  end
end

-- count_bytes adds n to the stored bytes of the tenant, and to those of the device, which the
-- reconciler compares with its records. It subtracts for a negative n, unless the device was
-- deleted: its bytes were freed with it.
local function count_bytes(device, n)
  if n > 0 then
    redis.call('HINCRBY', device.record, 'bytes_added', ms(n))
  elseif n == 0 or redis.call('EXISTS', device.record) == 0 then
    return
  else
    redis.call('HINCRBY', device.record, 'bytes_freed', ms(-n))
  end
  count(device, 'storedBytes', n)
end

-- first_correction reports whether the record at key was corrected as often as the caller has
-- read, and counts a correction. Of several instances that found the same difference, only the
-- first one corrects it.
local function first_correction(key, seen)
  if (redis.call('HGET', key, 'corrections') or '0') ~= seen then
    return false
  end
  redis.call('HINCRBY', key, 'corrections', 1)
  return true
end

-- over_quota returns the refusal for the first quota that the tenant would exceed. It returns
-- nil if there is none.
--   wanted  a list of {quota, n, limit, used}: n is to be added, and zero is never refused; limit is the one of the
--           installation, 0 for none; used is nil for a quota that is counted
local function over_quota(usage_key, wanted)
  local fields = {}
  for _, w in ipairs(wanted) do
    fields[#fields + 1] = w.quota .. ':limit'
    fields[#fields + 1] = w.quota .. ':added'
    fields[#fields + 1] = w.quota .. ':freed'
  end
  local values = redis.call('HMGET', usage_key, unpack(fields))
  for i, w in ipairs(wanted) do
    local limit = tonumber(values[3 * i - 2] or w.limit)
    -- Records of an earlier version were freed without having been counted.
    local used = w.used or math.max(0, tonumber(values[3 * i - 1] or 0) - tonumber(values[3 * i] or 0))
    if w.n > 0 and limit > 0 and used + w.n > limit then
      return refuse('quota_exceeded', w.quota, ms(limit))
    end
  end
end

-- forget_counts deletes all totals of a tenant that has no device left, and so nothing that
-- is counted. The limits stay.
local function forget_counts(device)
  redis.call('HDEL', device.usage, 'openSessions:added', 'openSessions:freed', 'readyCommands:added',
    'readyCommands:freed', 'storedBytes:added', 'storedBytes:freed', 'corrections')
end
