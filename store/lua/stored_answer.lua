-- This fragment changes a reply that the fragment store/idempotency has stored.
--@include store/base

-- edit_stored_answer calls edit with the table that is stored at key. If edit returns true, the
-- changed table is stored, with the fingerprint and the expiry as before, but not in a dry run. It
-- calls nothing if no table is stored.
local function edit_stored_answer(key, dry_run, edit)
  local stored = redis.call('GET', key) or ''
  local start = string.find(stored, '{', 1, true) or #stored + 1
  local readable, answer = pcall(cjson.decode, string.sub(stored, start))
  if readable and edit(answer) and not dry_run then
    redis.call('SET', key, string.sub(stored, 1, start - 1) .. cjson.encode(answer), 'KEEPTTL')
  end
end
