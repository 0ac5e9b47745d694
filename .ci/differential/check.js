// Sends generated bodies, queries, paths, headers and frames to a gateway, and validates them with
// ajv. Exits with 1 if the two disagree in a way that disagreements.yaml does not list, or if a
// listed disagreement did not occur.
//
// Usage: check.js <fieldgate> <openapi.yaml> <asyncapi.yaml> [<operation or frame>...]
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { headersOf, mixed, newRandom, queriesOf, segmentsOf, textsOf, variantsOf, write } from './cases.js';
import { readContract } from './contract.js';
import { start } from './gateway.js';
import { judge } from './judge.js';
import * as verdict from './verdicts.js';

const seed = Number(process.env.FIELDGATE_DIFFERENTIAL_SEED ?? 1);

// shown is the number of cases that are printed of each kind of unlisted disagreement.
const shown = Number(process.env.FIELDGATE_DIFFERENTIAL_SHOWN ?? 5);

// concurrent is the number of requests that are sent at the same time.
const concurrent = 6;

// mixedCases is the number of bodies of each operation in which several properties are replaced.
const mixedCases = 40;

// maxFrame is the maximum size of a frame in bytes. The gateway closes the socket after a larger
// one.
const maxFrame = 64 << 10;

async function main([program, openapi, asyncapi, ...only]) {
  const contract = readContract(readFileSync(openapi, 'utf8'), readFileSync(asyncapi, 'utf8'));
  const random = newRandom(seed);
  const chosen = (name) => only.length === 0 || only.includes(name);
  const requests = contract.operations.filter(({ id }) => chosen(id)).flatMap((operation) => requestsOf(operation, random));
  const frames = contract.sockets.map((socket) => framesOf(socket, chosen, random));
  const gateway = await start(program);
  try {
    gateway.occupyWaitingClaims();
    await Promise.all([sendAll(gateway, requests), ...contract.sockets.map((socket, i) => sendFrames(gateway, socket, frames[i]))]);
  } finally {
    await gateway.stop();
  }
  report([...requests, ...frames.flat()], only.length === 0);
}

// requestsOf returns the requests to send for an operation, each with the verdict of ajv.
function requestsOf(operation, random) {
  const { body, queryParameters, pathParameters, headers } = operation;
  const path = pathOf(operation);
  const base = { method: operation.method, path, scheme: operation.scheme, body: body && bytesOf(body.example) };
  const all = [];
  const add = (part, { label, pointer = '' }, changes, ajv) => all.push({ where: `${operation.id} ${part}${pointer}`, label, ...base, ...changes, ajv });
  for (const one of body ? bodiesOf(body, random) : []) add('body', one, { body: one.body }, verdict.ofText(one.body, body));
  for (const [name, schema] of properties(queryParameters)) {
    for (const one of queriesOf(name, schema, random)) add('query', one, { path: `${path}?${one.query}` }, verdict.ofQuery(one.query, queryParameters));
  }
  for (const [name, schema] of properties(pathParameters)) {
    for (const one of segmentsOf(schema, verdict.exampleID, random)) {
      add(`path/${name}`, one, { path: pathOf(operation, name, one.segment) }, verdict.ofSegment(one.segment, name, pathParameters));
    }
  }
  for (const [name, schema] of properties(headers)) {
    for (const one of headersOf(schema, schema.example, random)) add(`header/${name}`, one, { header: { [name]: one.text } }, verdict.ofHeader(one.text, name, headers));
  }
  return all;
}

const properties = ({ tree }) => Object.entries(tree.properties);

function pathOf({ path }, name, segment) {
  return path.replace(/\{(\w+)\}/g, (_, placeholder) => (placeholder === name ? segment : verdict.exampleID));
}

const bytesOf = (value) => Buffer.from(write(value));

function bodiesOf({ tree, example }, random) {
  const values = [...variantsOf(tree, example, random), ...mixed(tree, example, random, mixedCases)];
  return [...values.map((variant) => ({ ...variant, body: bytesOf(variant.value) })), ...textsOf(write(example))];
}

// framesOf returns the frames to send over a socket, each with the verdict of ajv.
function framesOf({ messages, validate }, chosen, random) {
  return messages.filter(({ name }) => chosen(name)).flatMap((message) =>
    bodiesOf(message, random)
      .filter(({ body }) => body.length <= maxFrame)
      .map(({ label, pointer, body }) => ({ where: `${message.name} frame${pointer}`, label, body, ajv: verdict.ofText(body, { required: true, validate }) })),
  );
}

// sendAll sends requests and adds the verdicts of the gateway.
async function sendAll(gateway, requests) {
  const queue = requests.values(); // all workers take from the same iterator
  const work = async () => {
    for (const one of queue) {
      one.gateway = verdict.ofResponse(await gateway.send({ ...one, token: gateway.tokens[one.scheme] }), one.where);
    }
  };
  await Promise.all(Array.from({ length: concurrent }, work));
}

// sendFrames sends frames over a socket, one after the other, and adds the verdicts of the
// gateway.
async function sendFrames(gateway, { name, path }, frames) {
  const socket = gateway.socket(path, gateway.tokens[name === 'device' ? 'deviceSession' : 'customerJWT']);
  for (const one of frames) {
    // An accepted frame without a requestId gets no reply.
    const expectsReply = one.ajv !== undefined || verdict.parseJSON(one.body).requestId !== undefined;
    one.gateway = verdict.ofReply(await socket.request(one.body, expectsReply), one.where);
  }
  await socket.close();
}

// report prints the unlisted disagreements, and the listed ones that did not occur. Only a run of
// all operations shows the latter.
function report(cases, complete) {
  const listed = parse(readFileSync(join(import.meta.dirname, 'disagreements.yaml'), 'utf8'));
  const { disagreements, unlisted, stale } = judge(cases, listed);
  for (const [kind, examples] of unlisted) {
    console.error([`unlisted disagreement, ${examples.length} cases (${kind}):`, ...examples.slice(0, shown)].join('\n  '));
  }
  for (const { reason } of complete ? stale : []) console.error(`listed disagreement that did not occur: ${reason}`);
  process.exitCode = unlisted.size > 0 || (complete && stale.length > 0) ? 1 : 0;
  if (process.exitCode === 0) console.log(`${cases.length} cases of seed ${seed}, ${disagreements} listed disagreements`);
}

await main(process.argv.slice(2));
