// Generates values at the edges of schemas, and texts at the edges of JSON and of URLs.

// A Raw is a JSON value that is written as its text: 1e2 and 100 are the same number.
export class Raw {
  constructor(text) {
    this.text = text;
  }
}

// Members is an object as a list of names and values. A name may occur twice. Names are JSON
// texts, with quotes.
class Members {
  constructor(list) {
    this.list = list;
  }
}

// write returns the JSON text of a value.
export function write(value) {
  if (value instanceof Raw) return value.text;
  if (value instanceof Members) return `{${value.list.map(([name, member]) => `${name}:${write(member)}`).join(',')}}`;
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    return write(new Members(Object.entries(value).map(([name, member]) => [JSON.stringify(name), member])));
  }
  return JSON.stringify(value);
}

// newRandom returns a generator of pseudorandom integers below a limit (mulberry32).
export function newRandom(seed) {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
}

const pick = (random, list) => list[random(list.length)];

const raw = (...texts) => texts.map((text) => ({ label: `number ${short(text)}`, value: new Raw(text) }));

const short = (text) => (text.length > 40 ? `${text.slice(0, 40)}... (${text.length} characters)` : text);

// otherTypes has a value of each JSON type.
const otherTypes = [null, true, false, 0, 1, '', '1', 'true', 'null', [], [1], ['x'], {}, { a: 1 }].map((value) => ({
  label: `type: ${JSON.stringify(value)}`,
  value,
}));

// variantsOf returns values at the edges of a schema: some match it, some do not. Each has a
// label and the pointer of the place that it is about. example is a valid value.
export function variantsOf(schema, example, random) {
  const isAny = Object.keys(schema).every((keyword) => keyword === 'description');
  const none = () => [];
  const own = isAny ? none : { string: strings, integer: numbers, number: numbers, boolean: none, object: objects, array: lists }[schema.type];
  if (!own) throw new Error(`no variants of ${JSON.stringify(schema)}`);
  return [...otherTypes, ...own(schema, example, random)].map((variant) => ({ pointer: '', ...variant }));
}

// longest is the length in characters up to which all texts of a string's maximum length are
// sent. Of a longer string, only some are.
const longest = 4096;

function strings(schema, example, random) {
  const all = [...lengths(schema), ...characters(example ?? 'text')];
  for (const value of schema.enum ?? []) {
    all.push(...[value, value.toUpperCase(), ` ${value}`, `${value}\n`, value.slice(1)].map((text) => ({ label: `enum ${JSON.stringify(text)}`, value: text })));
  }
  if (schema.format === 'date-time') all.push(...times.map((text) => ({ label: `time ${text}`, value: text })));
  all.push({ label: 'valid', value: example ?? pick(random, ['text', 'another text', '']) });
  return all;
}

// lengths returns strings of the minimum and maximum length and beside them, of characters of one
// to four bytes, as they are and escaped.
function lengths({ minLength, maxLength, pattern }) {
  const counts = new Set([0, 1, 2]);
  for (const limit of [minLength, maxLength].filter((n) => n !== undefined)) [limit - 1, limit, limit + 1].forEach((n) => counts.add(n));
  const spelled = { letter: 'a', digit: '7' };
  if (!pattern) {
    Object.assign(spelled, { umlaut: 'ä', 'letter with a combining accent': 'e\u0301', emoji: '\u{1f600}', 'zero-width joiner': '\u200d' });
  }
  const all = [];
  for (const count of [...counts].filter((n) => n >= 0)) {
    for (const [name, character] of Object.entries(spelled)) {
      if (count > longest && name !== 'letter' && name !== 'umlaut') continue;
      const points = [...character].length;
      all.push({ label: `length ${count} (${name})`, value: character.repeat(Math.ceil(count / points)).slice(0, (count / points) * character.length) });
    }
    if (!pattern && count <= longest) {
      all.push({ label: `length ${count} (escaped emoji)`, value: new Raw(`"${'\\ud83d\\ude00'.repeat(count)}"`) });
      all.push({ label: `length ${count} (escaped letter)`, value: new Raw(`"${'\\u0061'.repeat(count)}"`) });
    }
  }
  return all;
}

// inserted are characters that a pattern may or may not allow, or that a decoder may change.
const inserted = ['.', '..', '-', '_', '/', ':', '%', '%20', ' ', '\t', '\n', '\r\n', '\0', '\u007f', '!', '~', '+', '"', '\\', "'", '<', 'é', 'ß', 'İ', '٣', '\u{1f600}', '\u2028', '\ufeff', '\ufffd', '\uffff', '\u200b'];

// escapes are texts of JSON strings. Some are half of a surrogate pair, or no JSON.
const escapes = ['\\u0000', '\\u0041', '\\/', '\\b\\f', '\\ud800', '\\uDC00', '\\ud83d\\ude00', '\\uD83D\\uDE00', '\\ude00\\ud83d', '\\ud800\\ud800', '\\ud83dx\\ude00', '\\ud83d\\\\ude00', '\\u12', '\\u00g0', '\\x41', '\\U0041', '\\', '\n', '\t', '\u0001', '\u007f'];

function characters(example) {
  const all = [];
  const half = Math.ceil(example.length / 2);
  for (const text of inserted) {
    for (const at of new Set([0, half, example.length])) {
      all.push({ label: `${JSON.stringify(text)} inserted`, value: example.slice(0, at) + text + example.slice(at) });
    }
  }
  for (const text of escapes) {
    all.push({ label: `escape ${JSON.stringify(text).slice(1, -1)}`, value: new Raw(`${JSON.stringify(example).slice(0, -1)}${text}"`) });
  }
  return all;
}

const times = [
  '2025-11-22T20:16:11.300Z', '2025-11-22T20:16:11Z', '2025-11-22t20:16:11z', '2025-11-22T20:16:11.3Z', '2025-11-22T20:16:11.123456789Z',
  '2025-11-22T20:16:11.1234567890123Z', '2025-11-22T20:16:11.Z', '2025-11-22T20:16:11,3Z', '2025-11-22 20:16:11Z', '2025-11-22\t20:16:11Z', '2025-11-22_20:16:11Z',
  '2025-11-22T20:16:11', '2025-11-22T20:16Z', '2025-11-22T2:16:11Z', '2025-11-22T20:1:11Z', '2025-11-22T20:16:1Z', '2025-11-22', '20:16:11Z', '20251122T201611Z',
  '2025-11-22T20:16:11+00:00', '2025-11-22T20:16:11-00:00', '2025-11-22T20:16:11+01:30', '2025-11-22T20:16:11+23:59', '2025-11-22T20:16:11-23:59',
  '2025-11-22T20:16:11+24:00', '2025-11-22T20:16:11-24:00', '2025-11-22T20:16:11+00:60', '2025-11-22T20:16:11+0100', '2025-11-22T20:16:11+01', '2025-11-22T20:16:11+1:00',
  '2025-02-28T00:00:00Z', '2025-02-29T00:00:00Z', '2024-02-29T00:00:00Z', '2000-02-29T00:00:00Z', '1900-02-29T00:00:00Z', '2025-04-31T00:00:00Z', '2025-13-01T00:00:00Z',
  '2025-00-01T00:00:00Z', '2025-01-00T00:00:00Z', '2025-11-22T24:00:00Z', '2025-11-22T23:60:00Z', '2025-11-22T23:59:61Z', '2016-12-31T23:59:60Z', '2016-12-31T23:59:60.5Z',
  '2017-01-01T00:59:60+01:00', '2016-12-31T15:59:60-08:00', '2016-12-31T22:59:60Z', '2016-12-31T23:59:60+01:00', '2025-11-22T20:16:60Z', '2025-06-15T23:59:60Z',
  '0000-01-01T00:00:00Z', '0000-01-01T00:00:00+00:01', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '9999-12-31T23:59:59-00:01', '9999-12-31T23:59:60Z',
  '9999-12-31T23:59:59.9999999999Z', '10000-01-01T00:00:00Z', '-001-01-01T00:00:00Z', '٢025-11-22T20:16:11Z', ' 2025-11-22T20:16:11Z', '2025-11-22T20:16:11Z ', '2025-11-22T20:16:11Z\n',
  '2025-11-22T20:16:11ZZ', '2025-11-22T20:16:11z+00:00', '2025-11-22T20:16:11 Z', 'now', '',
];

function numbers(schema, example, random) {
  const all = [{ label: 'valid', value: example ?? schema.minimum + random(schema.maximum - schema.minimum) }];
  const spelled = ['-0', '-0.0', '0.0', '1.0', '1.00', '1.5', '1e0', '1E0', '1e+0', '10e-1', '15e-1', '1e2', '1e400', '-1e400', '1e-400', '5e-324', '0.1',
    '9007199254740991', '9007199254740993', '9223372036854775807', '9223372036854775808', '-9223372036854775808', '18446744073709551616', `1${'0'.repeat(400)}`, `1.${'0'.repeat(400)}`,
    '01', '+1', '.5', '5.', '1e', '0x10', '1_000', 'NaN', 'Infinity', '-Infinity', '-', '--1', '1 2'];
  for (const limit of [schema.minimum, schema.maximum].filter((n) => n !== undefined)) {
    spelled.push(`${limit - 1}`, `${limit}`, `${limit + 1}`, `${limit}.0`, `${limit}e0`, `${limit}.5`, `${limit}.00000000000000000001`, `${limit}00e-2`, `-${limit}`.replace('--', ''));
  }
  all.push(...raw(...new Set(spelled)));
  all.push(...[`${example ?? 1}`, [example ?? 1]].map((value) => ({ label: `number as ${JSON.stringify(value)}`, value })));
  return all;
}

function objects(schema, example, random) {
  const base = example ?? {};
  const all = [{ label: 'valid', value: base }];
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    all.push(...members(base, name, property, random));
  }
  if (schema.additionalProperties === false) all.push(...unknownMembers(base, Object.keys(schema.properties ?? {})));
  if (schema.additionalProperties === true) all.push(...anything(base));
  if (typeof schema.additionalProperties === 'object') all.push(...namedMembers(schema, base, random));
  return all;
}

// lists returns lists of the maximum length and beside it, and those with one item at the edges of its schema.
function lists(schema, example, random) {
  const item = example?.[0] ?? exampleValue(schema.items, random);
  const all = [{ label: 'valid', value: example ?? [] }];
  for (const length of [schema.minItems, schema.maxItems].filter((n) => n !== undefined).flatMap((n) => [n - 1, n, n + 1])) {
    if (length >= 0) all.push({ label: `${length} items`, value: Array(length).fill(item) });
  }
  all.push(...variantsOf(schema.items, item, random).map((variant) => ({ ...variant, pointer: `/0${variant.pointer}`, value: [variant.value] })));
  return all;
}

// members returns objects that differ from base in one property.
function members(base, name, property, random) {
  const { [name]: value, ...rest } = base;
  const valid = value ?? exampleValue(property, random);
  const all = variantsOf(property, valid, random).map((variant) => ({
    label: variant.label, pointer: `/${name}${variant.pointer}`, value: { ...base, [name]: variant.value },
  }));
  const entries = Object.entries(rest).map(([key, member]) => [JSON.stringify(key), member]);
  const one = (label, ...more) => all.push({ label, pointer: `/${name}`, value: new Members([...entries, ...more]) });
  one('absent');
  one('duplicate member, equal', [`"${name}"`, valid], [`"${name}"`, valid]);
  one('duplicate member, null first', [`"${name}"`, null], [`"${name}"`, valid]);
  one('duplicate member, null last', [`"${name}"`, valid], [`"${name}"`, null]);
  one('name in upper case', [`"${name.toUpperCase()}"`, valid]);
  one('name in two cases', [`"${name}"`, valid], [`"${name.toUpperCase()}"`, valid]);
  one('name with a space', [`"${name} "`, valid]);
  one('escaped name', [`"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}"`, valid]);
  one('duplicate member, one escaped', [`"${name}"`, valid], [`"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}"`, valid]);
  one('name with a zero byte', [`"${name}\\u0000"`, valid]);
  return all;
}

// exampleValue returns a value that matches a schema without an example.
function exampleValue(schema, random) {
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return pick(random, schema.enum);
  switch (schema.type) {
    case 'string':
      return 'text';
    case 'integer':
    case 'number':
      return schema.minimum ?? 0;
    case 'boolean':
      return true;
    case 'array':
      return [];
  }
  const required = schema.required ?? [];
  return Object.fromEntries(required.map((name) => [name, exampleValue(schema.properties[name], random)]));
}

// oddNames are names of members that a decoder or an object of JavaScript may treat specially.
const oddNames = ['', ' ', '__proto__', 'constructor', 'hasOwnProperty', 'length', '$ref', '0', 'a b', 'a/b', 'a~b', 'é', '\u{1f600}', '\0', '\n', 'x'.repeat(64), 'x'.repeat(65), 'x'.repeat(1024), 'x'.repeat(1025)];

function unknownMembers(base, known) {
  return oddNames.filter((name) => !known.includes(name)).map((name) => ({
    label: `unknown member ${short(JSON.stringify(name))}`,
    value: withMember(base, JSON.stringify(name), 1),
  }));
}

function withMember(base, name, value) {
  return new Members([...Object.entries(base).map(([key, member]) => [JSON.stringify(key), member]), [name, value]]);
}

const nested = (open, close, depth) => new Raw(open.repeat(depth) + (open === '[' ? '' : '1') + close.repeat(depth));

// anything returns objects for a schema that allows any object.
function anything(base) {
  const all = oddNames.map((name) => ({ label: `member ${short(JSON.stringify(name))}`, value: withMember(base, JSON.stringify(name), 1) }));
  all.push({ label: 'member with half of a surrogate pair', value: withMember(base, '"\\ud800"', 1) });
  for (const depth of [8, 29, 30, 31, 32, 33, 100, 1000, 9998]) {
    all.push({ label: `arrays ${depth} deep`, value: withMember(base, '"a"', nested('[', ']', depth)) });
    all.push({ label: `objects ${depth} deep`, value: withMember(base, '"a"', nested('{"a":', '}', depth)) });
  }
  for (const count of [1000, 5000, 16_000, 17_000, 70_000]) {
    all.push({ label: `${count} values`, value: withMember(base, '"a"', new Raw(`[${'1,'.repeat(count)}1]`)) });
  }
  for (const length of [4_000, 32_000, 33_000, 70_000]) {
    all.push({ label: `string of ${length}`, value: withMember(base, '"a"', 'x'.repeat(length)) });
  }
  for (const text of [...escapes.map((escape) => `"${escape}"`), '1e400', '-0', '1.0', `1${'0'.repeat(400)}`, '123456789012345678901234567890', '01', 'nul', 'NaN']) {
    all.push({ label: `any value ${short(text)}`, value: withMember(base, '"a"', new Raw(text)) });
  }
  all.push({ label: 'duplicate member, nested', value: withMember(base, '"a"', new Raw('[{"b":1,"b":2}]')) });
  return all;
}

// namedMembers returns objects for a schema whose members have any name and one schema.
function namedMembers(schema, base, random) {
  const value = Object.values(base)[0] ?? exampleValue(schema.additionalProperties, random);
  const all = oddNames.map((name) => ({ label: `named ${short(JSON.stringify(name))}`, value: withMember(base, JSON.stringify(name), value) }));
  for (const count of [0, 1, schema.maxProperties - 1, schema.maxProperties, schema.maxProperties + 1]) {
    all.push({ label: `${count} members`, value: Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, value])) });
  }
  all.push({ label: 'duplicate member, equal', value: new Members([['"k"', value], ['"k"', value]]) });
  const ofMember = variantsOf(schema.additionalProperties, value, random);
  all.push(...ofMember.map((variant) => ({ label: variant.label, pointer: `/k${variant.pointer}`, value: { ...base, k: variant.value } })));
  return all;
}

// textsOf returns texts at the edges of JSON, made from a valid text.
export function textsOf(valid) {
  const wrapped = (before, after) => Buffer.from(before + valid + after);
  const bytes = (before, ...odd) => Buffer.concat([Buffer.from(before), Buffer.from(odd), Buffer.from(valid)]);
  const texts = {
    'white space around': wrapped(' \t\r\n', '\n\t '),
    'a form feed before': wrapped('\f', ''),
    'a no-break space before': wrapped('\u00a0', ''),
    'a byte order mark': wrapped('\ufeff', ''),
    'a byte that is not UTF-8': bytes('', 0xff),
    'an overlong space': bytes('', 0xc0, 0xa0),
    'UTF-16': Buffer.from(valid, 'utf16le'),
    'a surrogate in UTF-8': Buffer.concat([Buffer.from('{"x":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    'a zero byte after': wrapped('', '\0'),
    'a comma after': wrapped('', ','),
    'a second value': wrapped('', '{}'),
    'a second line': wrapped('', `\n${valid}`),
    'a comment before': wrapped('/* no */', ''),
    'a comment after': wrapped('', '// no'),
    'half of it': Buffer.from(valid.slice(0, valid.length / 2)),
    'without its end': Buffer.from(valid.slice(0, -1)),
    'a trailing comma': Buffer.from(valid.replace(/\}$/, ',}')),
    'single quotes': Buffer.from(valid.replaceAll('"', "'")),
    'a list': wrapped('[', ']'),
    'a string of it': Buffer.from(JSON.stringify(valid)),
  };
  for (const text of ['', ' ', 'null', 'true', '0', '""', '[]', '{}', '{', '}', '{}}', '{"":1}', '{"":1,"":1}', '[[[[', 'undefined', 'reason=solved']) texts[JSON.stringify(text)] = Buffer.from(text);
  texts['arrays 100000 deep'] = Buffer.from('['.repeat(100_000));
  return Object.entries(texts).map(([label, body]) => ({ label: `text: ${label}`, pointer: '', body }));
}

// mixed returns objects in which several properties are replaced by variants at random.
export function mixed(schema, example, random, count) {
  const names = Object.keys(schema.properties ?? {});
  const variants = Object.fromEntries(names.map((name) => [name, variantsOf(schema.properties[name], example?.[name], random)]));
  return Array.from({ length: count }, () => {
    const chosen = names.filter(() => random(2) === 0).map((name) => [name, pick(random, variants[name])]);
    return {
      label: `mixed: ${chosen.map(([name, { label }]) => `${name} ${label}`).join(' + ')}`,
      pointer: '',
      value: { ...example, ...Object.fromEntries(chosen.map(([name, { value }]) => [name, value])) },
    };
  });
}

// queriesOf returns queries at the edges of one parameter, and of the syntax of a query. Those of a
// parameter that is an array are at the edges of an item.
export function queriesOf(name, parameter, random) {
  const schema = parameter.type === 'array' ? parameter.items : parameter;
  const valid = String(exampleValue(schema, random));
  const all = variantsOf(schema, exampleValue(schema, random), random)
    .map(({ label, value }) => ({ label, text: textOf(value) }))
    .filter(({ text }) => text !== undefined && text.length < 2000 && text.isWellFormed())
    .map(({ label, text }) => ({ label, query: `${name}=${encodeURIComponent(text)}` }));
  const value = encodeURIComponent(valid);
  const syntax = {
    'no value': name, 'empty value': `${name}=`, 'twice, equal': `${name}=${value}&${name}=${value}`, 'twice, one empty': `${name}=${value}&${name}=`,
    'name in upper case': `${name.toUpperCase()}=${value}`, 'escaped name': `%${name.charCodeAt(0).toString(16)}${name.slice(1)}=${value}`,
    'with an unknown parameter': `${name}=${value}&unknownParameter=1`, 'with an empty parameter': `&${name}=${value}&&`, 'with an empty name': `${name}=${value}&=1`,
    'brackets': `${name}[]=${value}`, 'a semicolon': `${name}=${value};x`, 'a semicolon as separator': `${name}=${value};limit=1`, 'an equals sign': `${name}=${value}=`,
    'a plus sign': `${name}=a+b`, 'a padded value': `${name}=+${value}`, 'an escaped plus sign': `${name}=%2B${value}`, 'a comma': `${name}=${value},${value}`,
  };
  for (const text of ['%', '%4', '%zz', '%ff', '%c0%80', '%ed%a0%80', '%00', '%0a', '%C3%A9', '%c3', '%25', '%2525', '%u0041']) syntax[`escape ${text}`] = `${name}=${text}`;
  if (schema.type === 'integer') for (const text of ['05', '+5', '5.0', '5e0', '0x5', '5%20', '%355', '-0', '٥']) syntax[`integer ${text}`] = `${name}=${encodeURI(text).replaceAll('%25', '%')}`;
  all.push(...Object.entries(syntax).map(([label, query]) => ({ label: `syntax: ${label}`, query })));
  return all.map((variant) => ({ ...variant, pointer: `/${name}` }));
}

// textOf returns the text of a scalar in a URL, or undefined for other values.
function textOf(value) {
  if (value instanceof Raw) return value.text.startsWith('"') ? undefined : value.text;
  return value === null || typeof value === 'object' ? undefined : String(value);
}

// segmentsOf returns segments of a path at the edges of a parameter.
export function segmentsOf(schema, example, random) {
  const all = variantsOf(schema, example, random)
    .map(({ label, value }) => ({ label, text: textOf(value) }))
    .filter(({ text }) => text && text !== '.' && text !== '..')
    .map(({ label, text }) => ({ label, segment: encodeURIComponent(text) }));
  const texts = ['%2F', 'a%2Fb', '%2e', '%41', 'a%41', '%2541', 'a+b', 'a;b', 'a,b', 'a=b', 'a@b', 'a:b', '%00', '%ff', '%C3%A9', '%ed%a0%80', 'a%0a'];
  return [...all, ...texts.map((text) => ({ label: `segment ${text}`, segment: text }))];
}

// headersOf returns values of a header at the edges of its schema. Characters that no header can
// have are left out.
export function headersOf(schema, example, random) {
  return variantsOf(schema, example, random)
    .map(({ label, value }) => ({ label, text: textOf(value) }))
    .filter(({ text }) => text !== undefined && /^[\t\x20-\x7e\x80-\xff]*$/.test(text));
}
