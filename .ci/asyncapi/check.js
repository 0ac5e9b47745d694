// Checks the structure and the references of an AsyncAPI document against the specification.
// Exits with 1 if there is an error or a warning. The parser does not validate the examples
// against their schemas, but the Go tests do.
import { readFile } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { Parser } from '@asyncapi/parser';

const severities = ['error', 'warning']; // by the severity number of the parser; higher numbers are only advice
const source = resolve(process.argv[2]);

const { diagnostics } = await new Parser().parse(await readFile(source, 'utf8'), { source });
const wrong = diagnostics.filter(({ severity }) => severity < severities.length);
for (const { severity, code, message, path, range, source: file } of wrong) {
  const place = `${relative('.', file ?? source)}:${range.start.line + 1}`;
  console.error(`${place}: ${severities[severity]}: ${message} (${code} at ${path.join('.')})`);
}
process.exitCode = wrong.length > 0 ? 1 : 0;
