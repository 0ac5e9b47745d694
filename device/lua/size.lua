-- This fragment counts a device towards the stored bytes of its tenant. The field "bytes" of
-- its record holds what the device counts; an earlier version wrote none.
--@include store/base
--@include store/usage

-- DEVICE_BYTES is the number of bytes that a device counts besides its texts. It stands for the
-- record, the metrics and the entries in indexes.
local DEVICE_BYTES = 2048
-- TAG_COPIES is the factor by which the tags count, because each tag also names two indexes.
local TAG_COPIES = 8

-- device_bytes returns what a device with these texts counts. The tags are JSON.
local function device_bytes(tags, ...)
  local bytes = DEVICE_BYTES + TAG_COPIES * #tags
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
