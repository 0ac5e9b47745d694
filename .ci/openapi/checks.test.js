// Tests the checks of openapi.yaml. Each case changes the published contract in one place and
// expects that a check finds the change.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
const contract = readFileSync(join(here, '../../openapi.yaml'), 'utf8');
const scratch = mkdtempSync(join(tmpdir(), 'contract-'));
process.on('exit', () => rmSync(scratch, { recursive: true }));

// change replaces the first occurrence of each text in the contract, and writes the changed
// contract to a file.
function change(name, replacements) {
  let changed = contract;
  for (const [from, to] of replacements) {
    assert.ok(changed.includes(from), `the contract has no ${from}`);
    changed = changed.replace(from, () => to);
  }
  return write(name, changed);
}

function write(name, text) {
  const file = join(scratch, name);
  writeFileSync(file, text);
  return file;
}

function run(script, ...args) {
  const { status, stdout, stderr } = spawnSync(join(here, script), args, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

test('each rule of style finds a violation', () => {
  const violations = {
    'rule/operation-id-begins-with-a-verb': ['operationId: getHealth', 'operationId: health'],
    'rule/summary-is-a-headline': ['summary: Check liveness', 'summary: is it alive?'],
    'rule/fields-are-camel-case': ['        draining:\n          type', '        is_draining:\n          type'],
    'rule/parameters-are-camel-case': ['- name: deviceId\n          in: query', '- name: device_id\n          in: query'],
    'rule/schemas-are-pascal-case': ['    ContractText:\n', '    contractText: {type: string}\n    ContractText:\n'],
    'rule/responses-are-pascal-case': ['    BadRequest:\n', '    badRequest: {description: Bad.}\n    BadRequest:\n'],
    'rule/values-are-snake-case': ['enum: [user, device, system]', 'enum: [user, theDevice, system]'],
    'fieldgate/problems-by-code': ['            validation_failed:\n', '            validationFailed:\n'],
    'fieldgate/ids-are-shared': ['        id: {$ref: \'#/components/schemas/CommandId\'}', '        id: {type: string, pattern: "^cmd_"}'],
    'fieldgate/units-in-names': ['        leaseRemainingMs: {$ref', '        timeout: {type: integer}\n        leaseRemainingMs: {$ref'],
    'no-unused-components': ['  schemas:\n', '  schemas:\n    Forgotten: {type: string}\n'],
    'no-invalid-media-type-examples': ['example: {status: ok, timestamp', 'example: {status: fine, timestamp'],
    'paths-kebab-case': ['/revoke-logins:', '/revokeLogins:'],
    'parameter-description': ['          description: Only sessions of this device.\n', ''],
    'operation-description': ['      description: |\n        Returns the released version and nothing else', '      x-note: |\n        Returns the released version and nothing else'],
  };
  const { status, output } = run('lint.sh', change('violations.yaml', Object.values(violations)), '--max-problems=1000');
  assert.equal(status, 1, output);
  const missed = Object.keys(violations).filter((rule) => !output.includes(` ${rule} `));
  assert.deepEqual(missed, [], output);
});

test('a removed field is a breaking change unless it is accepted with a reason', () => {
  const released = join(here, '../../openapi.yaml');
  const without = change('without.yaml', [['        visibleUntil:\n', '        visibleTill:\n'], [', visibleUntil,', ', visibleTill,']]);
  const compare = (accepted) => run('breaking.sh', released, without, write('accepted.txt', accepted));

  const { status, output } = compare('# None.\n');
  assert.equal(status, 1, output);
  const lines = output.match(/in API .*removed the .* property .*visibleUntil.*/g);
  assert.ok(lines?.length > 0, output);

  assert.equal(compare(lines.map((line) => `# No client used it.\n${line}\n`).join('')).status, 0, 'accepted');
  assert.match(compare(`${lines.join('\n')}\n`).output, /give the reason/);
  assert.equal(compare('# Another field.\nin API GET /version removed something\n').status, 1, 'another line');
});

test('additions that clients must expect are not breaking', () => {
  const released = join(here, '../../openapi.yaml');
  const more = change('more.yaml', [
    ['enum: [user, device, system]', 'enum: [user, device, system, policy]'],
    ['        draining:\n          type', '        starting: {type: boolean, description: Whether it starts.}\n        draining:\n          type'],
  ]);
  const { status, output } = run('breaking.sh', released, more, write('none.txt', '# None.\n'));
  assert.equal(status, 0, output);
});
