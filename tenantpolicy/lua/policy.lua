-- This fragment keeps the versions of a tenant's policy. A record is JSON with the number, the
-- document as text, its MAC, who has written it and when, and the version that it replaces.
--@include store/base
--@include store/event
--@include store/wake

-- policy_event records an event of the policy. The state is "current" for a version that applies now,
-- "waiting" for a change that waits for approval, and "rejected" for one that was discarded.
local function policy_event(stream_key, author, now, record, state)
  emit_tenant(stream_key, now, 'policy.changed', {
    tenant = author.tenant, actor = author.actor, name = author.name, email = author.email, request = author.request,
    data = { version = record.number, state = state },
  })
end

-- apply_version stores a record as the policy of the tenant, and wakes the instances. A change that waits
-- was made for the version before, and is discarded.
local function apply_version(policy_key, versions_key, stream_key, author, now, record)
  local text = cjson.encode(record)
  redis.call('HSET', policy_key, 'version', record.number, 'record', text)
  redis.call('HDEL', policy_key, 'pending')
  redis.call('HSET', versions_key, record.number, text)
  policy_event(stream_key, author, now, record, 'current')
  wake('policy', '-', author.tenant, '-')
end
