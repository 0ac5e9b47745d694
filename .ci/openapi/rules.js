// Rules for openapi.yaml that a pattern cannot express. Each rule visits one type of node and
// reports deviations from the rules in the introduction of the contract.

// problemsByCode requires that the name of each example of a refusal is the code of the
// refusal, so that readers and tests can find the example.
function problemsByCode() {
  const codeName = /^[a-z]+(_[a-z]+)*$/;
  return {
    Response: {
      MediaType(media, { report, location, key }) {
        if (key !== 'application/problem+json') return;
        for (const [name, example] of Object.entries(media.examples ?? {})) {
          const { code, detail } = example.value;
          const at = location.child(['examples', name]);
          if (!codeName.test(name) || code !== name) {
            report({ message: `name the example after its code, in snake_case: ${code}`, location: at });
          }
          if (!detail) report({ message: 'add a `detail` with the reason', location: at });
        }
      },
    },
  };
}

// idsAreShared requires that each id is defined once, as a component, and that `...Id` fields
// refer to that component. A secret that a caller could guess must have a length but no
// pattern, so that every wrong secret is refused in the same way.
function idsAreShared() {
  return {
    SchemaProperties(properties, { report, location }) {
      for (const [name, schema] of Object.entries(properties)) {
        const ownForm = schema.pattern !== undefined || schema.format === 'uuid';
        if (/(^id|Id)$/.test(name) && ownForm) {
          report({ message: `refer to the shared id instead of describing ${name} again`, location: location.child([name]) });
        }
      }
    },
  };
}

// unitsInNames requires that the name of a duration contains the unit, and that a time has the
// format of RFC 3339.
function unitsInNames() {
  const mayBeTime = /(^at|At|By|Until|Seen|Time|time|timestamp|since)$/;
  const mustBeTime = /(At|Until|Seen)$/;
  return {
    SchemaProperties(properties, { report, location }) {
      for (const [name, schema] of Object.entries(properties)) {
        const at = location.child([name]);
        if (schema['x-name-of']) continue; // another standard has chosen the name
        if (/(timeout|duration|latency|uptime|interval|delay)$/i.test(name)) {
          report({ message: `name the unit: ${name}Ms or ${name}Seconds`, location: at });
        }
        if (schema.format === 'date-time' && !mayBeTime.test(name)) {
          report({ message: `name a time as one, such as ${name}At`, location: at });
        }
        if (schema.type && mustBeTime.test(name) && schema.format !== 'date-time') {
          report({ message: `a time has format: date-time: ${name}`, location: at });
        }
      }
    },
  };
}

export default () => ({
  id: 'fieldgate',
  rules: {
    oas3: {
      'problems-by-code': problemsByCode,
      'ids-are-shared': idsAreShared,
      'units-in-names': unitsInNames,
    },
  },
});
