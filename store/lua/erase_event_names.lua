-- erase_event_names copies a part of a stream of events, without the names of one user. When the copy
-- has every event, it replaces the stream, because an entry of a stream cannot be changed.
-- KEYS[1]  the stream
-- KEYS[2]  the copy
-- ARGV[1]  the user as the actor of events, such as "user:alice"
-- ARGV[2]  token of the run that makes the copy
-- ARGV[3]  id of the newest event that the run has copied; "0-0" begins a new copy
-- ARGV[4]  maximum number of events to copy
-- ARGV[5]  time after which an unfinished copy expires, in ms
-- Returns {"ok", "", "copying", "replaced", or why the run has to end: "lost" (another run has begun
--       a copy, or this one has expired) or "changed" (events were deleted from the stream), id of
--       the newest event that was copied, number of events whose names were left out}
-- Guarantees that every event keeps its id, that no event is lost which is added while a copy is made,
-- that readers see the stream either as it was or without any of the names, that a deleted event does
-- not return, that the stream expires when it would have, that new ids follow all earlier ones, and
-- that the stream stays as it is if the user of the gateway lacks a right.
--@creates
--@include store/base
--@include store/reply
local stream_key, copy_key = KEYS[1], KEYS[2]
local actor, token, from, limit, keep = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]

-- MARK is the id of the first entry of an unfinished copy, which has the token of its run.
local MARK = '0-1'
-- BATCH is the number of entries that one call removes from the copy.
local BATCH = 500

-- value_of returns the value of a field, or nil.
local function value_of(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then
      return fields[i + 1]
    end
  end
end

-- PACKED_EVENT matches an event that the fragment store/event has packed: the text before the names,
-- with the actor in it, the name, the email address, and the text after them.
local PACKED_EVENT = '^([^\n]*\n[^\n]*\n([^\n]*)\n)([^\n]*)\n([^\n]*)(.*)$'

-- without_packed_names does what without_names does, for an event that is packed.
local function without_packed_names(fields, packed)
  local before, by, name, email, after = string.match(packed, PACKED_EVENT)
  if by ~= actor or name == '' and email == '' then
    return fields, 0
  end
  local kept = {}
  for i, text in ipairs(fields) do
    kept[i] = text == packed and before .. '\n' .. after or text
  end
  return kept, 1
end

-- without_names returns the fields of an event without the names of its actor if that is the user, and
-- the number of events that had one: 0 or 1.
local function without_names(fields)
  local packed = value_of(fields, 'event')
  if packed then
    return without_packed_names(fields, packed)
  elseif value_of(fields, 'actor') ~= actor then
    return fields, 0
  end
  local kept, erased = {}, 0
  for i = 1, #fields, 2 do
    if fields[i] == 'name' or fields[i] == 'email' then
      erased = 1
    else
      kept[#kept + 1] = fields[i]
      kept[#kept + 1] = fields[i + 1]
    end
  end
  return kept, erased
end

-- remove_before removes all entries from the copy that are older than the id: the mark, and events
-- that were trimmed from the stream meanwhile.
local function remove_before(id)
  while true do
    local ids = {}
    for i, entry in ipairs(redis.call('XRANGE', copy_key, '-', '(' .. id, 'COUNT', BATCH)) do
      ids[i] = entry[1]
    end
    if #ids == 0 then
      return
    end
    redis.call('XDEL', copy_key, unpack(ids))
  end
end

-- check_rights raises an error if the gateway's user may not replace the stream. The last call writes
-- to the stream before it replaces it, so an error there would come too late. The copy expires also if
-- check_rights raises an error.
local function check_rights()
  redis.call('PEXPIRE', copy_key, keep)
  redis.call('PTTL', copy_key)
  redis.call('RENAME', copy_key, copy_key)
  redis.call('PERSIST', copy_key)
end

if from == '0-0' then
  redis.call('UNLINK', copy_key)
  redis.call('XADD', copy_key, MARK, 'run', token)
  check_rights()
else
  local mark = redis.call('XRANGE', copy_key, MARK, MARK)[1]
  if not mark or mark[2][2] ~= token then
    return ok('lost', from, 0)
  end
end

local entries, erased = redis.call('XRANGE', stream_key, '(' .. from, '+', 'COUNT', limit), 0
for _, entry in ipairs(entries) do
  local fields, had_names = without_names(entry[2])
  redis.call('XADD', copy_key, entry[1], unpack(fields))
  from, erased = entry[1], erased + had_names
end
redis.call('PEXPIRE', copy_key, keep)
if #entries == limit then
  return ok('copying', from, erased)
end

local oldest = redis.call('XRANGE', stream_key, '-', '+', 'COUNT', 1)[1]
if not oldest then
  redis.call('UNLINK', copy_key)
  return ok('replaced', from, erased)
end
remove_before(oldest[1])
if redis.call('XLEN', copy_key) ~= redis.call('XLEN', stream_key) then
  redis.call('UNLINK', copy_key)
  return ok('changed', from, erased)
end

-- The copy takes over the newest id of the stream, which may be that of an event that was deleted.
-- Only an entry with this id can tell it to the copy. No reader sees the entry.
local newest = redis.call('XADD', stream_key, '*', 'type', '')
redis.call('XADD', copy_key, newest, 'type', '')
redis.call('XDEL', copy_key, newest)
local left = redis.call('PTTL', stream_key)
if left >= 0 then
  redis.call('PEXPIRE', copy_key, ms(math.max(left, 1)))
else
  redis.call('PERSIST', copy_key)
end
redis.call('RENAME', copy_key, stream_key) -- deletes the stream and needs no right to UNLINK it
return ok('replaced', from, erased)
