-- For wrk: sends the requests of a file in turn, as they stand there, and tells what it measured as
-- one line of JSON. A byte of zero ends each request in the file.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  requests, sent = {}, 0
  local file = assert(io.open(args[1], "rb"))
  for request in file:read("*a"):gmatch("(%Z+)%z") do
    table.insert(requests, request)
  end
  file:close()
  held = #requests
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % held + 1]
end

function done(summary, latency)
  local sent, held = 0, 0
  for _, thread in ipairs(threads) do
    sent = sent + thread:get("sent")
    held = held + thread:get("held")
  end
  local errors = summary.errors
  print(string.format(
    '{"answered": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, ' ..
    '"refused": %d, "broken": %d, "sent": %d, "held": %d}',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    sent, held))
end
