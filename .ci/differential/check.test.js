// Tests of the differential check.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judge } from './judge.js';

const root = join(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'differential-'));
process.on('exit', () => rmSync(scratch, { recursive: true }));

const listed = [{ gateway: 'maxDepth', case: 'deep$', reason: 'depth' }];
const deep = { where: 'op body', label: '33 deep', gateway: 'maxDepth' };

test('a listed disagreement passes', () => {
  const { unlisted, stale } = judge([deep], listed);
  assert.deepEqual([unlisted.size, stale.length], [0, 0]);
});

test('an unlisted disagreement is found in both directions', () => {
  const refused = { where: 'op body', label: 'x', gateway: 'pattern' };
  const accepted = { where: 'op body', label: 'x', ajv: 'pattern' };
  assert.equal(judge([deep, refused, accepted], listed).unlisted.size, 2);
});

test('a listed disagreement that does not occur is found', () => {
  const agreement = { ...deep, ajv: 'maxDepth' };
  assert.deepEqual(judge([agreement], listed).stale, listed);
});

// planted are changes of the contract that ajv reads, each of a schema of decideCommand. The
// gateway validates against the contract that it was built with.
const planted = {
  'a looser pattern': ["pattern: '^[A-Za-z0-9_-]+$'", "pattern: '^[A-Za-z0-9_.-]+$'"],
  'a stricter length': ['    Reason:\n', '    Reason:\n      minLength: 1\n'],
  'a field that is not required': ['required: [commandId, approved]', 'required: [commandId]'],
};

for (const [name, [from, to]] of Object.entries(planted)) {
  test(`${name} in the contract is found`, () => {
    const contract = readFileSync(join(root, 'openapi.yaml'), 'utf8');
    assert.ok(contract.includes(from), `the contract has no ${from}`);
    const file = join(scratch, 'openapi.yaml');
    writeFileSync(file, contract.replace(from, () => to));
    const args = [join(import.meta.dirname, 'check.js'), join(root, 'bin/fieldgate'), file, join(root, 'asyncapi.yaml'), 'decideCommand'];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^unlisted disagreement/m);
  });
}
