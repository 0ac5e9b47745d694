// Generates the TypeScript models of an AsyncAPI document with Modelina. Exits with 1 if a model has
// a made-up name, because its schema has none in the document.
//
// Usage: models.js FILE
import { readFile } from 'node:fs/promises';
import { TypeScriptGenerator } from '@asyncapi/modelina';

// expected are models whose names a reader of the contract knows.
const expected = ['ClaimFrame', 'ClaimReplyFrame', 'ClaimedCommand', 'EventFrame', 'RoomEvent', 'Problem'];

const models = await new TypeScriptGenerator({ modelType: 'interface' }).generate(await readFile(process.argv[2], 'utf8'));
const names = models.map(({ modelName }) => modelName);
const unnamed = names.filter((name) => /anonymous|_?\d+$/i.test(name));
const missing = expected.filter((name) => !names.includes(name));
for (const name of unnamed) console.error(`the schema of the model ${name} has no name of its own`);
for (const name of missing) console.error(`there is no model ${name}`);
process.exitCode = unnamed.length + missing.length > 0 ? 1 : 0;
