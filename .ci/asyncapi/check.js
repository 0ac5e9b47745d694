// Checks an AsyncAPI document against the specification: its structure and its references.
// Exits with 1 if there is an error or a warning. The parser does not validate the examples
// against their schemas: the Go tests do.
import { readFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { Parser } from '@asyncapi/parser';

const severities = ['error', 'warning']; // in the order of the parser's numbers; higher numbers are advice
const source = resolve(process.argv[2]);

const { diagnostics } = await new Parser().parse(await readFile(source, 'utf8'), { source });
const wrong = diagnostics.filter(({ severity }) => severity < severities.length);
for (const { severity, code, message, path, range, source: file } of wrong) {
  const place = `${relative('.', file ?? source)}:${range.start.line + 1}`;
  console.error(`${place}: ${severities[severity]}: ${message} (${code} at ${path.join('.')})`);
}
process.exitCode = wrong.length > 0 ? 1 : 0;
