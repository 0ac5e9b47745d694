-- This fragment records the events of passkeys.
--@include store/event

-- passkey_event records an event of a passkey, which its author has registered or deleted.
local function passkey_event(stream_key, now, kind, author, id)
  emit_tenant(stream_key, now, kind, {
    tenant = author.tenant, actor = author.actor, name = author.name, email = author.email, request = author.request,
    data = { passkey = id },
  })
end
