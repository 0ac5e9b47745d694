-- save_roster adds a version to the roster of a tenant.
-- KEYS[1]      the versions of the tenant's roster
-- KEYS[2]      the tenant's cut-offs
-- KEYS[3]      the tenant's event stream
-- ARGV[1..5]   tenant, actor, name and e-mail address of the actor, request id
-- ARGV[6]      id of the user's session at the token issuer; may be empty
-- ARGV[7]      earliest time of a cut-off that refuses the user's token, in Unix ms
-- ARGV[8]      number of the version
-- ARGV[9]      record of the version
-- Returns {"ok", events}
-- Refuses with user_cut_off and the reason for the log; or with policy_conflict if another version is
--       the next one
-- Guarantees that each version follows the one that its approvers have signed.
--@creates
--@include store/base
--@include store/event
--@include store/reply
--@include customer/cut_offs
local roster_key, cut_offs_key, stream_key = KEYS[1], KEYS[2], KEYS[3]
local author = {
  tenant = ARGV[1], actor = ARGV[2], name = ARGV[3], email = ARGV[4], request = ARGV[5],
}
local auth_session, earliest_cut_off = ARGV[6], tonumber(ARGV[7])
local number, record = tonumber(ARGV[8]), ARGV[9]

if is_cut_off(cut_offs_key, author.actor, auth_session, earliest_cut_off) then
  return refuse('user_cut_off', 'cut_off')
end
if redis.call('LLEN', roster_key) ~= number - 1 then
  return refuse('policy_conflict')
end

redis.call('RPUSH', roster_key, record)
emit_tenant(stream_key, clock(), 'roster.changed', {
  tenant = author.tenant, actor = author.actor, name = author.name, email = author.email, request = author.request,
  data = { version = number },
})
return ok()
