/** How a request is made: from where, with what, under which guard. */
import type { Act } from './acts.ts';
import type { Actor } from './cast.ts';
import { accountId } from './stack.ts';

export type Guard = 'no guard' | 'the deny policies' | 'the service control policies';

export type Place =
  | 'from anywhere'
  /** The policies that the stack gives its endpoints are in force. */
  | 'through our endpoint'
  /** As in a VPC that brought its own endpoints: they let everything pass. */
  | 'through our endpoint, which lets all pass'
  | "through another VPC's endpoint";

/** What is wrong with the request. */
type Flaw =
  | 'no TLS'
  | 'IMDSv1'
  | 'no MFA'
  | 'another network'
  | 'after hours'
  /** An administrator has deleted them by mistake; keys have the policy that AWS gives them. */
  | 'resource policies gone';

export interface Circumstances {
  readonly guard: Guard;
  readonly place: Place;
  readonly flaw?: Flaw;
}

const flaws: Readonly<Record<Flaw, Readonly<Record<string, string>>>> = {
  'no TLS': { 'aws:SecureTransport': 'false' },
  IMDSv1: { 'ec2:RoleDelivery': '1.0' },
  'no MFA': { 'aws:MultiFactorAuthPresent': 'false' },
  'another network': { 'aws:SourceIp': '203.0.113.7' },
  'resource policies gone': {},
  'after hours': { 'aws:CurrentTime': '2028-06-01T10:00:00Z' },
};

export function contextOf(flaw: Flaw | undefined): Readonly<Record<string, string>> {
  return { 'aws:SecureTransport': 'true', ...(flaw && flaws[flaw]) };
}

/** The services that a VPC reaches through endpoints of the stack. */
const withEndpoint = new Set([
  'sqs',
  'secretsmanager',
  'ssm',
  'ssmmessages',
  'autoscaling',
  'ec2',
  'logs',
  'kms',
  's3',
  'dynamodb',
]);

/** The policies that say something about TLS. */
const tlsTargets = new Set<Act['target']>([
  'queue',
  'dead letters',
  'audit topic',
  'alarm topic',
  'session bucket',
  'session record',
]);

/** What has a resource policy as well, so that a guard is a second line. */
const guardedTwice = new Set<Act['target']>([
  'secret',
  'queue',
  'dead letters',
  'secret key',
  'system key',
  'session key',
  'session bucket',
  'session record',
]);

const mighty = new Set<Actor['name']>(['account administrator', 'developer']);

/** What a service or an alarm could do with us. */
const serviceTargets = new Set<Act['target']>([
  'queue',
  'dead letters',
  'audit topic',
  'alarm topic',
  'worker role',
  'publisher role',
  'dead-letter role',
  'membership role',
  'secret',
  'secret key',
  'system key',
  'system key, asked by SQS',
]);

/** What most people are asked about who have no rights on anything: session operators are asked about all of it. */
const treasures = new Set<Act['target']>(['secret', 'queue', 'memberships', 'join document', 'worker role']);

const fewRights = new Set<Actor['name']>([
  'hook publisher',
  'worker administrator',
  'forwarding operator',
  'container operator',
  'session operator and developer',
  'forwarding operator and developer',
  'container operator and developer',
  "another account's root user",
]);

/** The services of sessions, and what the publisher needs. */
const theirServices = new Set(['ssm', 'ecs', 'kms', 'sqs']);

function worthAsking({ name, principal }: Actor, { action, target, resource }: Act): boolean {
  // Without a resource of its own, such a call would be about the caller's own account.
  if (resource === '*' && name.startsWith('another account')) return false;
  if (principal.endsWith('.amazonaws.com')) return serviceTargets.has(target);
  return !fewRights.has(name) || treasures.has(target) || theirServices.has(action.split(':')[0] ?? '');
}

/** Those whose requests can come through an endpoint of ours, and a few who would like theirs to. */
const insiders = new Set<Actor['name']>([
  'worker',
  'worker with everything',
  'node',
  'node with everything',
  'account administrator',
  'secret administrator',
  'break-glass role',
  "another account's administrator",
]);

/** The circumstances under which it is worth asking; those that no policy looks at would be the same question again. */
export function circumstancesFor(actor: Actor, act: Act): Circumstances[] {
  if (!worthAsking(actor, act)) return [];
  const { name, principal, guarded } = actor;
  const service = act.action.split(':')[0] ?? '';
  const ofThisAccount = principal.includes(`::${accountId}:`);
  const theWorker = name === 'worker' || name === 'worker with everything';
  const startsSessions = name.includes('operator') || name === 'worker administrator';
  // What a service does on somebody's behalf does not come through an endpoint.
  const inside = insiders.has(name) && withEndpoint.has(service) && !('aws:ViaAWSService' in act.context);
  const secondLine = guardedTwice.has(act.target) && mighty.has(name);
  const opened = 'through our endpoint, which lets all pass';
  const candidates: [boolean, Circumstances][] = [
    [true, { guard: 'no guard', place: 'from anywhere' }],
    [inside, { guard: 'no guard', place: 'through our endpoint' }],
    [inside && (theWorker || service === 'secretsmanager'), { guard: 'no guard', place: opened }],
    [inside && theWorker, { guard: 'no guard', place: "through another VPC's endpoint" }],
    [inside && theWorker, { guard: 'no guard', place: opened, flaw: 'IMDSv1' }],
    [guarded, { guard: 'the deny policies', place: 'from anywhere' }],
    [guarded && service === 'secretsmanager', { guard: 'the deny policies', place: opened }],
    [ofThisAccount, { guard: 'the service control policies', place: 'from anywhere' }],
    [inside && name === 'worker', { guard: 'the service control policies', place: 'through our endpoint' }],
    [secondLine, { guard: 'the deny policies', place: 'from anywhere', flaw: 'resource policies gone' }],
    [
      secondLine,
      { guard: 'the service control policies', place: 'from anywhere', flaw: 'resource policies gone' },
    ],
    [
      tlsTargets.has(act.target) && !fewRights.has(name),
      { guard: 'no guard', place: 'from anywhere', flaw: 'no TLS' },
    ],
    [tlsTargets.has(act.target) && inside, { guard: 'no guard', place: opened, flaw: 'no TLS' }],
    ...(['no MFA', 'another network', 'after hours'] as const).map((flaw): [boolean, Circumstances] => [
      startsSessions && (service === 'ssm' || service === 'ecs'),
      { guard: 'no guard', place: 'from anywhere', flaw },
    ]),
    [
      (act.target === 'dead-letter role' || act.target === 'membership role') &&
        service === 'sts' &&
        name === 'secret administrator',
      { guard: 'no guard', place: 'from anywhere', flaw: 'no MFA' },
    ],
  ];
  return candidates.filter(([worth]) => worth).map(([, circumstances]) => circumstances);
}
