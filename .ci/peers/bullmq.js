// Measures the processor time of BullMQ for a job: adding, processing and completing it. BullMQ is
// used as a library, in one process and without HTTP. The callers add their jobs one after the
// other while a worker processes as many jobs at a time as there are callers. Empties the
// database first. Prints the measurement as JSON.
//
// Usage: bullmq.js <url of Redis, with the database> <jobs> <callers>
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

async function main([url, jobs, callers]) {
  const connect = () => new Redis(url, { maxRetriesPerRequest: null });
  const redis = connect();
  await redis.flushdb();
  const queue = new Queue('peers', { connection: connect() });
  const worker = new Worker('peers', async () => 'done', { connection: connect(), concurrency: Number(callers) });
  await worker.waitUntilReady();
  await runJobs(queue, worker, 20 * Number(callers), Number(callers)); // warms up

  const before = await usage(redis);
  await runJobs(queue, worker, Number(jobs), Number(callers));
  const after = await usage(redis);
  const each = (field) => (after[field] - before[field]) / Number(jobs);
  console.log(JSON.stringify({ perSecond: 1e6 / each('time'), process: each('process'), redis: each('redis') }));
  process.exit(0); // without waiting for the connections, which the worker keeps open
}

// runJobs adds jobs and waits until all are complete.
async function runJobs(queue, worker, jobs, callers) {
  let left = jobs;
  const completed = new Promise((resolve) => {
    worker.removeAllListeners('completed').on('completed', () => --left === 0 && resolve());
  });
  let added = 0;
  const call = async () => {
    while (added++ < jobs) {
      await queue.add('diagnostic.dns', { host: 'example.com' });
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  await completed;
}

// usage returns the time, and the processor time of this process and of Redis, in us.
async function usage(redis) {
  const info = await redis.info('cpu');
  const seconds = (field) => Number(new RegExp(`${field}:([0-9.]+)`).exec(info)[1]);
  const { user, system } = process.cpuUsage();
  return {
    time: Number(process.hrtime.bigint() / 1000n),
    process: user + system,
    redis: (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1e6,
  };
}

await main(process.argv.slice(2));
