import type { NormalizedSchema } from '@smithy/core/schema';
import type { SchemaTraitsObject } from '@smithy/types';
import { ServiceFailure } from '../failure.ts';
import type { Answer, Service } from '../service.ts';
import { decodeJson, encodeJson } from './json.ts';
import { decodeQuery } from './query.ts';
import { membersOf } from './shape.ts';
import { element, encodeXml, escapeXml } from './xml.ts';

/** A request's body as the operation's input, with its required members checked. */
export function decodeInput(service: Service, schema: NormalizedSchema, body: string): unknown {
  const input =
    service.protocol === 'query' || service.protocol === 'ec2'
      ? decodeQuery(service.protocol, schema, new URLSearchParams(body))
      : decodeJson(schema, body);
  requireMembers(service, schema, input);
  return input;
}

/** What an operation returned, in the protocol's own form. */
export function encodeOutput(
  service: Service,
  operation: { readonly name: string; readonly output: NormalizedSchema },
  output: unknown,
  requestId: string,
): Answer {
  const { name } = operation;
  const xmlns = service.namespace ?? '';
  if (service.protocol === 'ec2') {
    const inner = element('requestId', requestId) + encodeXml(operation.output, output);
    return xml(200, `<${name}Response xmlns="${xmlns}">${inner}</${name}Response>`, requestId);
  }
  if (service.protocol === 'query') {
    const inner =
      element(`${name}Result`, encodeXml(operation.output, output)) +
      element('ResponseMetadata', element('RequestId', requestId));
    return xml(200, `<${name}Response xmlns="${xmlns}">${inner}</${name}Response>`, requestId);
  }
  return json(service, 200, encodeJson(operation.output, output), requestId);
}

/** An error in the protocol's own form, with code and status from the service's model where it has the error. */
export function encodeFailure(service: Service, failure: ServiceFailure, requestId: string): Answer {
  const modelled = service.errors
    .map((registry) =>
      registry.find((schema) => Array.isArray(schema) && schema[0] === -3 && schema[2] === failure.code),
    )
    .find((schema) => schema !== undefined);
  const traits: ErrorTraits & SchemaTraitsObject =
    Array.isArray(modelled) && typeof modelled[3] === 'object' ? modelled[3] : {};
  const [queryCode, queryStatus] = traits.awsQueryError ?? [failure.code, undefined];
  const status = queryStatus ?? traits.httpError ?? failure.status;
  const type = status >= 500 ? 'Receiver' : 'Sender';
  const details = element('Code', escapeXml(queryCode)) + element('Message', escapeXml(failure.message));
  if (service.protocol === 'ec2') {
    const inner = element('Errors', element('Error', details)) + element('RequestID', requestId);
    return xml(status, element('Response', inner), requestId);
  }
  if (service.protocol === 'rest-xml') {
    const answer = xml(status, element('Error', details + element('RequestId', requestId)), requestId);
    return { ...answer, headers: { ...answer.headers, ...failure.headers, 'x-amz-request-id': requestId } };
  }
  if (service.protocol === 'query') {
    const inner = element('Error', element('Type', type) + details) + element('RequestId', requestId);
    return xml(
      status,
      `<ErrorResponse xmlns="${service.namespace ?? ''}">${inner}</ErrorResponse>`,
      requestId,
    );
  }
  const name =
    service.protocol === 'json1.0' ? `com.amazonaws.${service.name}#${failure.code}` : failure.code;
  const answer = json(service, status, JSON.stringify({ __type: name, message: failure.message }), requestId);
  if (traits.awsQueryError) {
    answer.headers['x-amzn-query-error'] = `${queryCode};${type === 'Sender' ? 'Sender' : 'Receiver'}`;
  }
  return answer;
}

/** What a model says about an error. */
interface ErrorTraits {
  httpError?: number;
  /** The code of the days when the service spoke awsQuery, and its status. */
  awsQueryError?: [code: string, status: number];
}

function requireMembers(service: Service, schema: NormalizedSchema, input: unknown): void {
  const shape: unknown = schema.getSchema();
  if (!Array.isArray(shape) || typeof shape[6] !== 'number') return;
  const names: unknown = shape[4];
  if (!Array.isArray(names)) return;
  const missing = names
    .slice(0, shape[6])
    .map(String)
    .filter((name) => membersOf(input)[name] === undefined);
  if (missing.length === 0) return;
  if (service.protocol === 'ec2') {
    throw new ServiceFailure('MissingParameter', `The request must contain the parameter ${missing[0]}`);
  }
  const problems = missing.map(
    (name) =>
      `Value null at '${name.charAt(0).toLowerCase() + name.slice(1)}' failed to satisfy constraint: Member must not be null`,
  );
  const counted = `${missing.length} validation error${missing.length > 1 ? 's' : ''} detected: ${problems.join('; ')}`;
  throw new ServiceFailure(service.protocol === 'query' ? 'ValidationError' : 'ValidationException', counted);
}

function json(service: Service, status: number, body: string, requestId: string): Answer {
  const version = service.protocol === 'json1.0' ? '1.0' : '1.1';
  return {
    status,
    headers: { 'content-type': `application/x-amz-json-${version}`, 'x-amzn-requestid': requestId },
    body,
  };
}

function xml(status: number, body: string, requestId: string): Answer {
  return {
    status,
    headers: { 'content-type': 'text/xml;charset=UTF-8', 'x-amzn-requestid': requestId },
    body: `<?xml version="1.0" encoding="UTF-8"?>${body}`,
  };
}
