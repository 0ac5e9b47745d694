// Reads openapi.yaml and asyncapi.yaml with libraries that the gateway does not use.
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';

const methods = ['get', 'post', 'put', 'patch', 'delete'];

// annotations are the keywords of OpenAPI 3.0 and AsyncAPI that constrain no value.
const annotations = ['example', 'examples', 'externalDocs', 'deprecated', 'readOnly', 'writeOnly', 'discriminator', 'xml'];

// readContract returns the operations and the sockets of the two documents. Each has the schemas
// of what a client sends, and a function that validates a value with ajv.
export function readContract(openapiText, asyncapiText) {
  const documents = { 'openapi.yaml': parse(openapiText), 'asyncapi.yaml': parse(asyncapiText) };
  const reader = new Reader(documents);
  return { operations: reader.operations(), sockets: reader.sockets() };
}

class Reader {
  constructor(documents) {
    this.documents = documents;
    // Strict mode throws an error for each keyword that ajv does not know.
    this.ajv = addFormats(new Ajv({ strict: true }));
  }

  // deref returns a node with all references replaced by what they refer to. file is the document
  // that contains the node.
  deref(node, file) {
    if (Array.isArray(node)) return node.map((item) => this.deref(item, file));
    if (node === null || typeof node !== 'object') return node;
    if (typeof node.$ref === 'string') {
      const [document, pointer] = node.$ref.split('#');
      const target = document === '' ? file : document.replace('./', '');
      return this.deref(at(this.documents[target], pointer), target);
    }
    return mapValues(node, (value) => this.deref(value, file));
  }

  // schema returns a schema of a document with its validator.
  schema(node, file) {
    const tree = this.deref(node, file);
    return { tree, validate: this.validator(toJSONSchema(tree)) };
  }

  // validator returns a function that returns the keyword that a value violates, or undefined.
  validator(schema) {
    const validate = this.ajv.compile(schema);
    return (value) => (validate(value) ? undefined : validate.errors[0].keyword);
  }

  operations() {
    const all = [];
    for (const [path, item] of Object.entries(this.documents['openapi.yaml'].paths)) {
      for (const method of methods.filter((name) => item[name])) {
        all.push(this.operation(method, path, item));
      }
    }
    // An operation without the response 400 validates nothing. A handshake has tests of its own.
    return all.filter(({ responses }) => responses['400'] && !responses['101']);
  }

  operation(method, path, item) {
    const described = this.deref(item[method], 'openapi.yaml');
    const parameters = [...this.deref(item.parameters ?? [], 'openapi.yaml'), ...(described.parameters ?? [])];
    const media = described.requestBody?.content['application/json'];
    return {
      id: described.operationId,
      method: method.toUpperCase(),
      path,
      scheme: Object.keys(described.security?.[0] ?? {})[0],
      responses: described.responses,
      body: media && { ...this.schema(media.schema, 'openapi.yaml'), required: described.requestBody.required === true, example: exampleOf(media) },
      queryParameters: this.parameterObject(parameters.filter((p) => p.in === 'query')),
      pathParameters: this.parameterObject(parameters.filter((p) => p.in === 'path')),
      headers: this.parameterObject(parameters.filter((p) => p.in === 'header')),
    };
  }

  // parameterObject returns the parameters of one place as one object schema.
  parameterObject(parameters) {
    return this.schema(
      {
        type: 'object',
        additionalProperties: false,
        required: parameters.filter((p) => p.required).map((p) => p.name),
        properties: Object.fromEntries(parameters.map((p) => [p.name, { ...p.schema, example: p.example ?? p.schema.example }])),
      },
      'openapi.yaml',
    );
  }

  sockets() {
    const { channels, operations } = this.documents['asyncapi.yaml'];
    return Object.entries(channels).map(([name, channel]) => {
      const received = Object.values(operations).filter((o) => o.action === 'receive' && o.channel.$ref === `#/channels/${name}`);
      const messages = received.map((o) => this.deref(o.messages[0], 'asyncapi.yaml'));
      const validators = messages.map((m) => this.schema(m.payload, 'asyncapi.yaml'));
      return {
        name,
        path: channel.address,
        messages: messages.map((m, i) => ({ name: m.name, tree: validators[i].tree, example: m.examples[0].payload })),
        // A message of a client is valid if it is one of the channel's messages.
        validate: this.validator({ anyOf: validators.map(({ tree }) => toJSONSchema(tree)) }),
      };
    });
  }
}

// at returns the node that a JSON pointer refers to.
function at(document, pointer) {
  const parts = pointer.split('/').slice(1);
  const node = parts.reduce((found, part) => found?.[part.replaceAll('~1', '/').replaceAll('~0', '~')], document);
  if (node === undefined) throw new Error(`the contract has no ${pointer}`);
  return node;
}

function exampleOf(media) {
  return media.example ?? Object.values(media.examples ?? {})[0]?.value;
}

// toJSONSchema converts a schema of OpenAPI 3.0 to JSON Schema draft 7. Besides annotations, they
// differ in nullable and in exclusive limits, which are booleans in OpenAPI 3.0.
function toJSONSchema(schema) {
  if (typeof schema !== 'object') return schema;
  const converted = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword.startsWith('x-') || annotations.includes(keyword) || keyword === 'nullable') continue;
    converted[keyword] = convertKeyword(keyword, value);
  }
  for (const limit of ['minimum', 'maximum']) {
    const exclusive = limit === 'minimum' ? 'exclusiveMinimum' : 'exclusiveMaximum';
    if (converted[exclusive] === true) {
      converted[exclusive] = converted[limit];
      delete converted[limit];
    } else {
      delete converted[exclusive];
    }
  }
  return schema.nullable ? { anyOf: [converted, { type: 'null' }] } : converted;
}

function convertKeyword(keyword, value) {
  switch (keyword) {
    case 'properties':
      return mapValues(value, toJSONSchema);
    case 'additionalProperties':
    case 'items':
    case 'not':
      return toJSONSchema(value);
    case 'allOf':
    case 'anyOf':
    case 'oneOf':
      return value.map(toJSONSchema);
  }
  return value;
}

function mapValues(object, convert) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, convert(value)]));
}
