-- This fragment keeps what a device reports of a command while it runs it. Two kinds of fields of
-- the commands hash hold the report, so that they are in the slot of the command and are deleted
-- with it:
--   "<id>:progress"    JSON: {token, seq, missed, percent, message, at, from, next}
--     token    hash of the claim token with which the device reports
--     seq      number of the newest report of this claim
--     missed   number of reports of this claim that did not arrive
--     percent, message: as reported; may be absent
--     at       time of the newest report, in Unix ms
--     from     position of the first byte of the output that is kept
--     next     position after the last byte of the output
--   "<id>:output:<n>"  the output from the position n * BLOCK on, at most BLOCK bytes
-- The output is in blocks, so that a report rewrites a block and not all of the output. The Go type
-- report decodes the record.
--@include store/base

-- OUTPUT_KEPT is the number of bytes of output that are kept at least. The blocks may hold almost
-- one block more.
local OUTPUT_KEPT = 256 * 1024
-- BLOCK is the maximum size of a block in bytes. Redis allocates 16 KiB for it with what it stores beside
-- it, and 20 KiB for a longer one. The Go constant outputBlock is the same.
local BLOCK = 16 * 1024 - 64
-- A record counts its size in steps of RECORD_STEP, so that a report seldom changes it, and
-- RECORD_BYTES for its name.
local RECORD_STEP, RECORD_BYTES = 512, 128

-- progress_field returns the field of the commands hash that holds the record of a report.
local function progress_field(id)
  return id .. ':progress'
end

-- block_field returns the field of the commands hash that holds a block of output.
local function block_field(id, n)
  return id .. ':output:' .. ms(n)
end

-- is_report reports whether a decoded record of a report has what the scripts use.
local function is_report(r)
  return type(r) == 'table' and type(r.token) == 'string' and type(r.seq) == 'number'
    and type(r.missed) == 'number' and type(r.from) == 'number' and type(r.next) == 'number'
end

-- load_report returns the report of a command, and its record. It returns nil if the command has none.
-- A damaged record counts as none.
local function load_report(device, id)
  local raw = redis.call('HGET', device.commands, progress_field(id))
  local decoded, r = pcall(cjson.decode, raw or '')
  if decoded and is_report(r) then
    return r, raw
  end
end

-- new_report returns an empty report for a claim. Its output begins with a block of its own after
-- that of an earlier claim, so that a reader does not take the one for the other.
local function new_report(earlier, token_hash)
  local begin = earlier and math.ceil(earlier.next / BLOCK) * BLOCK or 0
  return { token = token_hash, seq = -1, missed = 0, from = begin, next = begin }
end

-- kept returns the number of bytes that a report and its record count; zero if there is none.
local function kept(r, raw)
  return r and r.next - r.from + math.ceil(#raw / RECORD_STEP) * RECORD_STEP + RECORD_BYTES or 0
end

-- advance counts a new report and the length of its output.
local function advance(r, seq, length, now)
  -- The first report has the number 0 or 1.
  r.missed = r.missed + math.max(0, seq - math.max(r.seq + 1, 1))
  r.seq, r.at, r.next = seq, now, r.next + length
  r.from = math.max(r.from, math.floor((r.next - OUTPUT_KEPT) / BLOCK) * BLOCK)
end

-- drop_blocks deletes the blocks that have output between two positions, but not the block of the
-- second one.
local function drop_blocks(device, id, from, to)
  for n = math.floor(from / BLOCK), math.ceil(to / BLOCK) - 1 do
    redis.call('HDEL', device.commands, block_field(id, n))
  end
end

-- append_output writes output at a position.
local function append_output(device, id, position, output)
  while output ~= '' do
    local n, used = math.floor(position / BLOCK), position % BLOCK
    local block = used > 0 and redis.call('HGET', device.commands, block_field(id, n)) or ''
    local part = string.sub(output, 1, BLOCK - used)
    redis.call('HSET', device.commands, block_field(id, n), block .. part)
    position, output = position + #part, string.sub(output, #part + 1)
  end
end

-- forget_report deletes the report of a command.
local function forget_report(device, id)
  local r = load_report(device, id)
  if r then
    drop_blocks(device, id, r.from, r.next)
  end
  redis.call('HDEL', device.commands, progress_field(id))
end
