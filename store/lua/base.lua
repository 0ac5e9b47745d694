-- This fragment holds what every script uses: the clock, numbers and the fields of hashes.

-- clock returns the time of the store in Unix milliseconds. Scripts use no other clock
-- for decisions.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- ms returns a number of milliseconds, or another whole number, as text without an exponent.
-- A whole number costs a fifth of what a number with a decimal point does. A larger one, which
-- only a damaged record has, would not fit.
local function ms(n)
  return string.format(math.abs(n) < 1e15 and '%d' or '%.0f', n)
end

-- read_fields returns the values of the named fields of a hash, in the order of the
-- arguments. The value of a missing field is false.
local function read_fields(key, ...)
  return unpack(redis.call('HMGET', key, ...))
end
