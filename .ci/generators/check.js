// Generates a client from openapi.yaml with each generator, compiles it strictly, and calls a
// gateway with it. Exits with 1 if one of these steps fails.
//
// Usage: check.js <fieldgate> [<generator>...]
import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { start } from '../differential/gateway.js';
import { generators } from './generators.js';

const here = import.meta.dirname;
const run = promisify(execFile);

async function main([program, ...only]) {
  const gateway = await start(resolve(program));
  let failed = 0;
  try {
    for (const name of only.length > 0 ? only : Object.keys(generators)) {
      const failure = await check(name, gateway).catch((error) => error);
      if (failure) failed++;
      console.log(failure ? `${name}: FAILED: ${failure.stdout ?? ''}${failure.stderr ?? failure.stack}` : `${name}: compiles and calls`);
    }
  } finally {
    await gateway.stop();
  }
  process.exitCode = failed > 0 ? 1 : 0;
}

// check runs one generator, and returns nothing if its client compiles and reads a device that it
// has registered.
async function check(name, gateway) {
  const folder = join(here, 'clients', name);
  const env = {
    ...process.env, GOWORK: 'off', DISABLE_TELEMETRY: '1', DO_NOT_TRACK: '1', NODE_NO_WARNINGS: '1',
    PATH: join(here, 'node_modules/.bin') + delimiter + process.env.PATH,
  };
  const execute = (program, ...args) => run(program, args, { cwd: folder, env, maxBuffer: 64 << 20 });
  await rm(join(folder, 'generated'), { recursive: true, force: true });
  await mkdir(join(folder, 'generated'));
  await execute(...generators[name]);
  const call = generators[name][0] === 'go' ? callGo : callTypeScript;
  const device = await call(folder, execute, gateway);
  if (device.model !== 'PX-400' || device.firmwareVersion !== '2.8.1' || device.name !== name) {
    throw new Error(`the gateway returned another device: ${JSON.stringify(device)}`);
  }
}

// callTypeScript compiles the client and its call, and returns the device that the call returns.
async function callTypeScript(folder, execute, gateway) {
  await execute('tsc', '-p', '.');
  const bundle = join(folder, 'generated/call.mjs');
  await execute('esbuild', 'call.ts', '--bundle', '--platform=node', '--format=esm', '--packages=external', `--outfile=${bundle}`);
  const { call } = await import(pathToFileURL(bundle));
  return call(gateway.url, gateway.tokens.customerJWT);
}

// callGo does the same with a client in Go, whose program prints the device.
async function callGo(_folder, execute, gateway) {
  await execute('go', 'vet', './...');
  const { stdout } = await execute('go', 'run', '.', gateway.url, gateway.tokens.customerJWT);
  return JSON.parse(stdout);
}

await main(process.argv.slice(2));
