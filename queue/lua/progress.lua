-- progress keeps what a device reports of a command that it runs.
-- KEYS[1..13]  the device's key set
-- KEYS[14..15] the login's record and the device's rate limit
-- ARGV[1..5]   the scope of the call
-- ARGV[6]      command id
-- ARGV[7]      hash of the claim token
-- ARGV[8]      number of the report
-- ARGV[9]      JSON with the reported fields percent and message
-- ARGV[10]     output since the last report; may be empty
-- ARGV[11]     the installation's limit of stored bytes; 0 for none
-- ARGV[12..18] the arguments of the check of the login
-- Returns {"ok", events, state, now, number of the newest report}
-- Refuses with command_not_found, invalid_claim_token, claim_superseded, claim_expired,
--       command_finished; all but the first contain the command's state. Refuses with
--       quota_exceeded, the quota and its limit; or with unauthorized or rate_limited as
--       device/login_check does
-- Guarantees that only the newest claim reports, that a repeated report changes nothing, and that
-- the output is bounded. It records no event and changes nothing that a transition depends on: only
-- what the command counts towards the stored bytes.
--@creates
--@include store/base
--@include store/device
--@include store/reply
--@include store/usage
--@include store/wake
--@include command
--@include lease
--@include report
local device = device_at(1, 1)
local id, token_hash, seq, reported, output = ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
local max_bytes = ARGV[11]
local now = clock()

local c, refused = leased_command(device, id, token_hash, now, 12)
if refused then
  return refused
end

local report, stored = load_report(device, id)
local kept_before, begin = kept(report, stored), report and report.from or 0
if not report or report.token ~= token_hash then
  report = new_report(report, token_hash)
end
if seq <= report.seq then
  return ok(device.state, now, report.seq)
end

local position = report.next
advance(report, seq, #output, now)
for field, value in pairs(cjson.decode(reported)) do
  report[field] = value
end
stored = cjson.encode(report)
local growth = kept(report, stored) - kept_before
refused = over_quota(device.usage, { { quota = 'storedBytes', n = growth, limit = max_bytes } })
if refused and output ~= '' then
  return refused
end

drop_blocks(device, id, begin, report.from)
append_output(device, id, position, output)
redis.call('HSET', device.commands, progress_field(id), stored)
if growth ~= 0 then
  c.bytes = (c.bytes or 0) + growth
  count_bytes(device, growth)
  save_command(device, id, c)
end
wake('progress', device.id, device.tenant, id)
return ok(device.state, now, seq)
