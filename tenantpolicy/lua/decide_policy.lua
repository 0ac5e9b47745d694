-- decide_policy approves or rejects the change of a tenant's policy that waits for another admin.
-- KEYS[1]      the tenant's policy
-- KEYS[2]      the versions of the tenant's policy
-- KEYS[3]      the tenant's cut-offs
-- KEYS[4]      the tenant's event stream
-- ARGV[1..5]   tenant, actor, name and e-mail address of the actor, request id
-- ARGV[6]      id of the user's session at the token issuer; may be empty
-- ARGV[7]      earliest time of a cut-off that refuses the user's token, in Unix ms
-- ARGV[8]      number of the version that waits
-- ARGV[9]      "approved" or "rejected"
-- ARGV[10]     MAC of the version that the change becomes, which covers who approves it; empty with "rejected"
-- Returns {"ok", events}
-- Refuses with user_cut_off and the reason for the log; with policy_conflict if another version waits,
--       or none; or with self_approval
-- Guarantees that no admin approves a change of their own, or one that was made for another version than
-- the one that applies. The author may reject it.
--@include store/base
--@include store/reply
--@include customer/cut_offs
--@include policy
local policy_key, versions_key, cut_offs_key, stream_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local author = {
  tenant = ARGV[1], actor = ARGV[2], name = ARGV[3], email = ARGV[4], request = ARGV[5],
}
local auth_session, earliest_cut_off = ARGV[6], tonumber(ARGV[7])
local number, decision, mac = ARGV[8], ARGV[9], ARGV[10]
local now = clock()

if is_cut_off(cut_offs_key, author.actor, auth_session, earliest_cut_off) then
  return refuse('user_cut_off', 'cut_off')
end
local version, pending = read_fields(policy_key, 'version', 'pending')
local record = pending and cjson.decode(pending)
if not record or record.number ~= number or record.base ~= (version or '0') then
  return refuse('policy_conflict')
end
if decision == 'approved' and record.by == author.actor then
  return refuse('self_approval')
end

if decision == 'approved' then
  record.approved_by, record.approved_at, record.mac = author.actor, ms(now), mac
  apply_version(policy_key, versions_key, stream_key, author, now, record)
else
  redis.call('HDEL', policy_key, 'pending')
  policy_event(stream_key, author, now, record, 'rejected')
end
return ok()
