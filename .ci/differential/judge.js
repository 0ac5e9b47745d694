// Compares the verdicts on all cases with the listed disagreements.

const accepts = 'accepts';

// judge returns the number of disagreements, the unlisted ones by kind, and the listed ones that
// did not occur.
export function judge(cases, listed) {
  const unlisted = new Map();
  const seen = new Set();
  const disagreements = cases.filter(({ gateway, ajv }) => (gateway === undefined) !== (ajv === undefined));
  for (const one of disagreements) {
    const entry = listed.find((candidate) => lists(candidate, one));
    if (entry) seen.add(entry);
    else add(unlisted, `gateway: ${one.gateway ?? accepts}, ajv: ${one.ajv ?? accepts}`, `${one.where}: ${one.label}`);
  }
  return { disagreements: disagreements.length, unlisted, stale: listed.filter((entry) => !seen.has(entry)) };
}

function add(map, key, value) {
  map.set(key, [...(map.get(key) ?? []), value]);
}

// lists reports whether an entry of disagreements.yaml is about the disagreement of a case.
function lists({ gateway, ajv = accepts, where = '', case: label = '' }, one) {
  return gateway === (one.gateway ?? accepts) && ajv === (one.ajv ?? accepts) && new RegExp(where).test(one.where) && new RegExp(label).test(one.label);
}
