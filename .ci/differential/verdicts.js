// The verdicts of ajv and of the gateway. A verdict is undefined if a value is accepted. Otherwise
// it is the keyword that the value violates, or the code of another refusal.

// exampleID is the id in every path. No record has it, so that an accepted request gets 404 and
// changes nothing.
export const exampleID = 'example_1';

// parseJSON returns the value of a text, or undefined if it is not JSON in UTF-8.
export function parseJSON(bytes) {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

// ofText validates a body or a frame.
export function ofText(bytes, { required, validate }) {
  if (bytes.length === 0) return required ? 'required' : undefined;
  const value = parseJSON(bytes);
  return value === undefined ? 'syntax' : validate(value);
}

// ofQuery validates a query of the style form (RFC 3986, with + for a space). A parameter that is
// an integer must be a number of JSON. One that is an array may be repeated, or separated by commas.
export function ofQuery(query, { tree, validate }) {
  const values = {};
  for (const piece of query.split('&').filter((text) => text !== '')) {
    const [name, ...rest] = piece.split('=');
    const [key, text] = [unescape(name), unescape(rest.join('='))];
    if (key === undefined || text === undefined) return 'syntax';
    const type = tree.properties[key]?.type;
    if (type === 'array') {
      values[key] = [...(values[key] ?? []), ...text.split(',')];
      continue;
    }
    const value = type === 'integer' ? numberOf(text) : text;
    values[key] = Object.hasOwn(values, key) ? [values[key], value].flat() : value;
  }
  return validate(values);
}

// numberOf returns the number that a text is, or the text if it is none.
function numberOf(text) {
  const value = text === text.trim() ? parseJSON(Buffer.from(text)) : text;
  return typeof value === 'number' ? value : text;
}

function unescape(text) {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

// ofSegment validates one parameter of a path.
export function ofSegment(segment, name, { tree, validate }) {
  const values = Object.fromEntries(Object.keys(tree.properties).map((key) => [key, exampleID]));
  try {
    return validate({ ...values, [name]: decodeURIComponent(segment) });
  } catch {
    return 'syntax';
  }
}

// ofHeader validates a header. White space around its value is no part of it (RFC 9110, section
// 5.5).
export function ofHeader(text, name, { validate }) {
  return validate({ [name]: text.replace(/^[ \t]+|[ \t]+$/g, '') });
}

// ofResponse returns the verdict of the gateway on a request.
export function ofResponse({ status, text }, where) {
  if (status < 300) return undefined;
  return ofProblem(parseJSON(Buffer.from(text)) ?? { code: `status ${status}` }, where);
}

// ofReply returns the verdict of the gateway on a frame.
export function ofReply(received, where) {
  if (received?.closed) return `close ${received.closed}`;
  return received?.type === 'error' ? ofProblem(received.data, where) : undefined;
}

// later are the codes of refusals that come after the validation, and where they occur.
const later = {
  invalid_credentials: 'authenticateDevice',
  invalid_activation_code: 'registerDevice',
  external_id_taken: 'provisionDevice',
  rate_limited: 'claim',
  unauthorized: 'refresh frame',
};

function ofProblem({ code, errors = [] }, where) {
  if (code === 'validation_failed') return errors[0].keyword;
  return code.endsWith('_not_found') || (later[code] && where.startsWith(later[code])) ? undefined : code;
}
