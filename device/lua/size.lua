-- This fragment counts a device towards the stored bytes of its tenant. Its record has what
-- the device counts:
--   bytes        for the device and its texts; an earlier version wrote none
--   event_bytes  for the timeline, as the reconciler found it
--@include store/base
--@include store/usage

-- DEVICE_BYTES is the number of bytes that a device counts besides its texts. It stands for the
-- record, the metrics and the entries in indexes.
local DEVICE_BYTES = 6144
-- TAG_BYTES is the number of bytes that each tag counts besides its text, and TAG_COPIES is the
-- factor by which the text counts. Each tag also names two indexes.
local TAG_BYTES, TAG_COPIES = 256, 3
-- EVENT_BYTES is the number of bytes that each event of the timeline counts.
local EVENT_BYTES = 256

-- device_bytes returns what a device with these texts counts. The tags are JSON.
local function device_bytes(tags, ...)
  local _, number = string.gsub(tags, '":"', '')
  local bytes = DEVICE_BYTES + TAG_BYTES * number + TAG_COPIES * #tags
  for _, text in ipairs({ ... }) do
    bytes = bytes + #text
  end
  return bytes
end

-- recount updates what a device counts, after a text of its record has changed.
local function recount(device)
  local counted, tags, name, external_id, location, metadata =
    read_fields(device.record, 'bytes', 'tags', 'name', 'external_id', 'location', 'metadata')
  local bytes = device_bytes(tags or '', name or '', external_id or '', location or '', metadata or '')
  redis.call('HSET', device.record, 'bytes', ms(bytes))
  count_bytes(device, bytes - tonumber(counted or 0))
end

-- recount_events updates what the timeline of a device counts. The timeline is trimmed by
-- time, so no script knows when its bytes are freed.
local function recount_events(device)
  local counted = tonumber(redis.call('HGET', device.record, 'event_bytes') or 0)
  local bytes = EVENT_BYTES * redis.call('XLEN', device.timeline)
  if bytes ~= counted then
    redis.call('HSET', device.record, 'event_bytes', ms(bytes))
    count_bytes(device, bytes - counted)
  end
end
