import type { IncomingMessage, ServerResponse } from 'node:http';
import { ServiceFailure } from './failure.ts';
import { originOf } from './names.ts';
import type { Place } from './place.ts';
import { uuid, type Random } from './random.ts';
import type { KeyHolder, KeyRing } from './key-ring.ts';
import type { AnsweredCall, Authorize, CallCount, Fault, Faults } from './seams.ts';
import type { Answer, Call, Door, Operation, Principal, Requirement, Service } from './service.ts';
import type { OpenRequest } from './s3/open.ts';
import { s3Operation } from './s3/service.ts';
import { scopedService, verifySignature, type SignatureProblem, type SignedRequest } from './signature.ts';
import type { Timers } from './timers.ts';
import { encodeFailure } from './wire/answer.ts';

/** More than any request here may carry: DynamoDB's 16 MB batch, with room for its JSON. */
const mostBodyBytes = 17 * 1024 * 1024;

export interface FrontDoorParts {
  place: Place;
  keys: KeyRing;
  services: readonly Service[];
  timers: Timers;
  random: Random;
  authorize: Authorize;
  faults: Faults;
  /** The VPC's endpoint of a service; undefined where it has none. */
  endpointOf: (service: string) => string | undefined;
  /** What S3 does for requests that nobody of this account signed; undefined for any other. */
  open: (request: SignedRequest) => OpenRequest | undefined;
  /** Told every verified call once it is decided. */
  answered: (call: AnsweredCall) => void;
}

interface Request extends SignedRequest {
  readonly sourceAddress: string;
  readonly door: Door;
}

/** What a request asks for, as far as its headers and body tell. */
interface Route {
  service: Service;
  /** Absent when the service has no operation of that name. */
  operation: Operation | undefined;
  name: string;
}

/** Where every request comes in: finds its service, proves its signature, asks for permission, counts, answers. */
export class FrontDoor {
  readonly #parts: FrontDoorParts;
  readonly #counts = new Map<
    string,
    { principal: string; service: string; operation: string; count: number; errors: number }
  >();

  constructor(parts: FrontDoorParts) {
    this.#parts = parts;
  }

  calls(): CallCount[] {
    return [...this.#counts.values()].map((each) => ({ ...each }));
  }

  async handle(incoming: IncomingMessage, outgoing: ServerResponse, door: Door): Promise<void> {
    const requestId = uuid(this.#parts.random);
    const gone = new AbortController();
    outgoing.on('close', () => gone.abort());
    const body = await readBody(incoming);
    if (body === 'too-large') {
      outgoing.writeHead(413, { connection: 'close', 'x-amzn-requestid': requestId }).end();
      return;
    }
    if (body === 'cut-off') return;
    const answer = await this.#answer(
      {
        method: incoming.method ?? 'GET',
        url: incoming.url ?? '/',
        headers: incoming.headers,
        body,
        sourceAddress: (incoming.socket.remoteAddress ?? '127.0.0.1').replace('::ffff:', ''),
        door,
      },
      requestId,
      gone.signal,
    );
    if (answer === 'lost') {
      incoming.socket.destroy();
      return;
    }
    if (outgoing.destroyed) return;
    outgoing.writeHead(answer.status, {
      'content-length': Buffer.byteLength(answer.body),
      ...answer.headers,
      // The SDK and the CLI correct their clock by this when a signature is refused for its time.
      date: this.#parts.timers.date().toUTCString(),
    });
    outgoing.end(answer.body);
  }

  async #answer(request: Request, requestId: string, signal: AbortSignal): Promise<Answer | 'lost'> {
    const open = this.#parts.open(request);
    if (open) return this.#answerOpen(open, request, requestId);
    const route = this.#route(request);
    if (!route) {
      return {
        status: 404,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: 'This is the AWS endpoint of an adjoin sandbox. Use the AWS CLI or an SDK with this address as --endpoint-url.\n',
      };
    }
    const { service } = route;
    const now = this.#parts.timers.now();
    const verdict = await verifySignature(
      request,
      now,
      this.#parts.place.region,
      (id) => this.#parts.keys.find(id)?.secretAccessKey,
    );
    if (!verdict.ok)
      return encodeFailure(service, unsigned(service, verdict.problem, verdict.message), requestId);
    const holder = this.#parts.keys.find(verdict.scope.accessKeyId);
    const stale = holder && tokenProblem(holder, request.headers['x-amz-security-token'], now);
    if (stale) return encodeFailure(service, stale(service), requestId);
    if (!holder || verdict.scope.service !== service.name) {
      const message = `Credential should be scoped to correct service: '${service.name}'.`;
      return encodeFailure(service, unsigned(service, 'scope', message), requestId);
    }
    const principal = principalOf(holder);
    const call: Call = {
      principal,
      requestId,
      origin: originOf(request.headers.host ?? ''),
      signal,
      request,
      refusal: (requirement) => this.#refusal(service, [requirement], request, principal),
    };
    const count = this.#count(principal, service, route.name);
    const endpoint = request.door === 'vpc' ? this.#parts.endpointOf(service.name) : undefined;
    if (request.door === 'vpc' && endpoint === undefined) {
      // A VPC without a way to the internet: the packets would get lost. An answer saves the caller the wait.
      const unreachable = new ServiceFailure(
        'Unreachable',
        `The VPC has no endpoint of ${service.name}.`,
        503,
      );
      return encodeFailure(service, unreachable, requestId);
    }
    const told = {
      principal,
      ...(endpoint === undefined ? {} : { endpoint }),
      service: service.name,
      operation: route.name,
      requestId,
      sourceAddress: request.sourceAddress,
    };
    let input: unknown;
    let fault: Fault | undefined;
    let answer: Answer;
    try {
      input = route.operation?.decode(service, request.body.toString(), request) ?? {};
      fault = await this.#parts.faults({ principal, service: service.name, operation: route.name, input });
      if (fault?.delayBeforeMs) await this.#parts.timers.pause(fault.delayBeforeMs, signal);
      if (fault?.throttle) throw throttled(service);
      if (fault?.fail) throw new ServiceFailure(fault.fail.code, fault.fail.message, fault.fail.status);
      answer = await this.#carryOut(route, input, request, call);
      if (answer.status >= 400) count.errors += 1;
      else fault?.carriedOut?.();
      this.#parts.answered({ ...told, input });
    } catch (error) {
      count.errors += 1;
      const failure = asFailure(error);
      answer = encodeFailure(service, failure, requestId);
      this.#parts.answered({ ...told, input, error: { code: failure.code, message: failure.message } });
    }
    if (fault?.delayAfterMs) await this.#parts.timers.pause(fault.delayAfterMs, signal);
    return fault?.loseAnswer ? 'lost' : answer;
  }

  /** A request of S3 that nobody of this account signed: it passes the VPC's endpoint like any other. */
  async #answerOpen(open: OpenRequest, request: Request, requestId: string): Promise<Answer> {
    const service = this.#parts.services.find(({ name }) => name === 's3');
    if (service === undefined) throw new Error('There is no S3.');
    try {
      if (request.door === 'vpc' && this.#parts.endpointOf('s3') === undefined)
        throw new ServiceFailure('Unreachable', 'The VPC has no endpoint of s3.', 503);
      const anonymous = { name: 'anonymous', arn: 'anonymous', accessKeyId: '' };
      for (const resource of open.requirement.resources) {
        const decision = await this.#parts.authorize({
          principal: anonymous,
          action: open.requirement.action,
          resource,
          context: { 'aws:SecureTransport': 'true', ...this.#way(request, service) },
        });
        if (!decision.allowed) throw denied(service, 'Access Denied');
      }
      const answer = open.carryOut();
      return { ...answer, headers: { ...answer.headers, 'x-amz-request-id': requestId } };
    } catch (error) {
      return encodeFailure(service, asFailure(error), requestId);
    }
  }

  async #carryOut(route: Route, input: unknown, request: Request, call: Call): Promise<Answer> {
    const { service, operation, name } = route;
    if (!operation) throw unknownOperation(service, name);
    const refused = await this.#refusal(service, operation.requires(input), request, call.principal);
    if (refused) throw refused;
    return operation.carryOut(service, input, call);
  }

  async #refusal(
    service: Service,
    requirements: readonly Requirement[],
    request: Request,
    principal: Principal,
  ): Promise<ServiceFailure | undefined> {
    const { accountId, region } = this.#parts.place;
    for (const { action, resources, context, via } of requirements) {
      for (const resource of resources.length > 0 ? resources : [{ arn: '*' }]) {
        const decision = await this.#parts.authorize({
          principal,
          action,
          resource,
          context: {
            'aws:PrincipalArn': principal.roleArn ?? principal.arn,
            'aws:PrincipalAccount': accountId,
            'aws:RequestedRegion': region,
            'aws:CurrentTime': this.#parts.timers.date().toISOString(),
            'aws:SecureTransport': 'true',
            ...principal.context,
            ...(via === undefined
              ? { ...this.#way(request, service), 'aws:ViaAWSService': 'false' }
              : onBehalf(via, region)),
            ...Object.fromEntries(
              Object.entries(resource.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value]),
            ),
            ...context,
          },
        });
        if (decision.allowed) continue;
        return denied(
          service,
          `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${resource.arn} ${decision.reason}`,
        );
      }
    }
    return undefined;
  }

  /** What the request's way says of it. Behind an endpoint the address is the VPC's own. */
  #way({ door, sourceAddress }: Request, service: Service): Record<string, string> {
    const endpoint = door === 'vpc' ? this.#parts.endpointOf(service.name) : undefined;
    return endpoint === undefined
      ? { 'aws:SourceIp': sourceAddress }
      : { 'aws:SourceVpce': endpoint, 'aws:VpcSourceIp': sourceAddress };
  }

  #route(request: Request): Route | undefined {
    const target = request.headers['x-amz-target'];
    if (typeof target === 'string') {
      const dot = target.lastIndexOf('.');
      const service = this.#parts.services.find((each) => each.selector === target.slice(0, dot));
      const name = target.slice(dot + 1);
      return service && { service, name, operation: service.operations.get(name) };
    }
    const rest = this.#parts.services.find(
      ({ protocol, selector }) => protocol === 'rest-xml' && selector === scopedService(request),
    );
    if (rest) {
      const name = s3Operation(request);
      return { service: rest, name, operation: rest.operations.get(name) };
    }
    if (request.method !== 'POST') return undefined;
    const form = new URLSearchParams(request.body.toString());
    const service = this.#parts.services.find((each) => each.selector === form.get('Version'));
    const name = form.get('Action') ?? '';
    return service && { service, name, operation: service.operations.get(name) };
  }

  #count(principal: Principal, service: Service, operation: string) {
    const key = `${principal.name} ${service.name} ${operation}`;
    const count = this.#counts.get(key) ?? {
      principal: principal.name,
      service: service.name,
      operation,
      count: 0,
      errors: 0,
    };
    count.count += 1;
    this.#counts.set(key, count);
    return count;
  }
}

/** What a request carries that a service makes on a caller's behalf; the way that the caller came is not part of it. */
function onBehalf(service: string, region: string): Record<string, string | readonly string[]> {
  return {
    'aws:ViaAWSService': 'true',
    'aws:CalledVia': [`${service}.amazonaws.com`],
    'kms:ViaService': `${service}.${region}.amazonaws.com`,
  };
}

function principalOf({ name, arn, accessKeyId, roleArn, context }: KeyHolder): Principal {
  return { name, arn, accessKeyId, ...(roleArn && { roleArn }), ...(context && { context }) };
}

function tokenProblem(
  holder: KeyHolder,
  token: string | string[] | undefined,
  now: number,
): ((service: Service) => ServiceFailure) | undefined {
  if (holder.sessionToken !== undefined && token !== holder.sessionToken) {
    return (service) =>
      unsigned(service, 'unknown-key', 'The security token included in the request is invalid.');
  }
  if (holder.expiresAt !== undefined && now >= holder.expiresAt) return expired;
  return undefined;
}

function expired(service: Service): ServiceFailure {
  const message = 'The security token included in the request is expired';
  if (service.protocol === 'ec2') return new ServiceFailure('RequestExpired', message, 400);
  if (service.protocol === 'rest-xml') return new ServiceFailure('ExpiredToken', message, 400);
  return service.protocol === 'query'
    ? new ServiceFailure('ExpiredToken', message, 403)
    : new ServiceFailure('ExpiredTokenException', message, 400);
}

function asFailure(error: unknown): ServiceFailure {
  if (error instanceof ServiceFailure) return error;
  // A defect of the emulation. AWS would say no more, but here the text is what finds the defect.
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new ServiceFailure('InternalFailure', message, 500);
}

/** How each protocol says that a signature is not good. */
function unsigned(service: Service, problem: SignatureProblem, message: string): ServiceFailure {
  if (service.protocol === 'ec2') {
    if (problem === 'missing') return new ServiceFailure('MissingAuthenticationToken', message, 403);
    return new ServiceFailure(
      'AuthFailure',
      'AWS was not able to validate the provided access credentials',
      401,
    );
  }
  if (service.protocol === 'rest-xml') {
    const codes: Partial<Record<SignatureProblem, string>> = {
      missing: 'AccessDenied',
      'unknown-key': 'InvalidAccessKeyId',
      expired: 'RequestTimeTooSkewed',
    };
    return new ServiceFailure(codes[problem] ?? 'SignatureDoesNotMatch', message, 403);
  }
  const [missing, unknown, other] =
    service.protocol === 'query'
      ? ['MissingAuthenticationToken', 'InvalidClientTokenId', 'SignatureDoesNotMatch']
      : ['MissingAuthenticationTokenException', 'UnrecognizedClientException', 'InvalidSignatureException'];
  const status = service.protocol === 'query' ? 403 : 400;
  const code = problem === 'missing' ? missing : problem === 'unknown-key' ? unknown : other;
  return new ServiceFailure(code ?? '', message, status);
}

function denied(service: Service, message: string): ServiceFailure {
  if (service.protocol === 'ec2') return new ServiceFailure('UnauthorizedOperation', message, 403);
  if (service.protocol === 'query' || service.protocol === 'rest-xml')
    return new ServiceFailure('AccessDenied', message, 403);
  return new ServiceFailure('AccessDeniedException', message, 400);
}

function throttled(service: Service): ServiceFailure {
  if (service.protocol === 'ec2')
    return new ServiceFailure('RequestLimitExceeded', 'Request limit exceeded.', 503);
  if (service.protocol === 'rest-xml')
    return new ServiceFailure('SlowDown', 'Please reduce your request rate.', 503);
  if (service.protocol === 'query') return new ServiceFailure('Throttling', 'Rate exceeded', 400);
  return new ServiceFailure('ThrottlingException', 'Rate exceeded', 400);
}

function unknownOperation(service: Service, name: string): ServiceFailure {
  if (service.protocol === 'rest-xml')
    return new ServiceFailure('NotImplemented', `The sandbox does not emulate s3: ${name}.`, 501);
  const code = service.protocol.startsWith('json') ? 'UnknownOperationException' : 'InvalidAction';
  return new ServiceFailure(code, `The sandbox does not emulate ${service.name}:${name}.`);
}

async function readBody(incoming: IncomingMessage): Promise<Buffer | 'too-large' | 'cut-off'> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of incoming as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > mostBodyBytes) return 'too-large';
      pieces.push(piece);
    }
  } catch {
    return 'cut-off';
  }
  return Buffer.concat(pieces);
}
