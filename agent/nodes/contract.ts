/**
 * The contract with the command documents: parameters in, one JSON line of facts out. Windows and Linux keep the same one.
 * What a node prints is foreign input: it is parsed strictly, and never trusted to name anything but itself.
 */
import * as z from 'zod';
import { AdjoinError } from '../errors.ts';

export type Purpose = 'probe' | 'join' | 'leave' | 'post-join';

/** Every facts line begins so; everything else on standard output is chatter. */
const MARK = '{"adjoin":1,';

/**
 * What the scripts print is printable ASCII (`clean` in documents/shared/base.sh). Anything else did not come from them, and
 * would end up in logs, the ledger and terminals.
 */
const text = (maximum: number) =>
  z
    .string()
    .max(maximum)
    .regex(/^[ -~]*$/, 'is not printable ASCII');
const short = text(255);

const probe = z.object({
  adjoin: z.literal(1),
  document: z.literal('probe'),
  family: text(32),
  os: short,
  osVersion: short,
  hostName: short,
  /** The domain that the node is a member of, or empty. */
  domain: short,
  /** The computer name of that membership, or empty. */
  computerName: short,
  ready: z.boolean(),
  missing: z.array(short).max(50),
  /** A file of the node that will give it another name at its next start, or empty. */
  renamedBy: short.default(''),
  /** Base64 of the DER of the public key, or empty where no key could be made. */
  key: text(1024),
  /** What became of a challenge: `registered`, or why it was not; empty where there was none. */
  proof: text(400),
  /** What the node is taken for, such as `Amazon Linux 2023`; empty where it can't join. */
  system: short.default(''),
  /** Why a node that can't join can't: `system-unsupported`, `system-contradicted` or empty; and the same for people. */
  code: text(64).default(''),
  detail: text(400).default(''),
});
export type ProbeFacts = Readonly<z.output<typeof probe>>;

const join = z.object({
  adjoin: z.literal(1),
  document: z.literal('join'),
  result: z.enum(['joined', 'already', 'failed']),
  code: text(64).default(''),
  domain: short,
  computerName: short,
  detail: text(1000).default(''),
});
export type JoinFacts = Readonly<z.output<typeof join>>;

const leave = z.object({
  adjoin: z.literal(1),
  document: z.literal('leave'),
  /** `late`: the node was asked after its time, and did nothing. */
  result: z.enum(['left', 'not-joined', 'foreign-domain', 'late', 'failed']),
  detail: text(1000).default(''),
});
export type LeaveFacts = Readonly<z.output<typeof leave>>;

const postJoin = z.object({
  adjoin: z.literal(1),
  document: z.literal('post-join'),
  result: z.enum(['done', 'failed']),
  detail: text(1000).default(''),
});
export type PostJoinFacts = Readonly<z.output<typeof postJoin>>;

const markedLine = (output: string): string | undefined =>
  output
    .split('\n')
    .map((each) => each.trim())
    .findLast((each) => each.startsWith(MARK));

function factsLine(instanceId: string, output: string): unknown {
  const line = markedLine(output);
  if (line === undefined) {
    throw new AdjoinError('node-facts-invalid', `${instanceId} answered without a line of facts.`);
  }
  try {
    return JSON.parse(line);
  } catch {
    throw new AdjoinError('node-facts-invalid', `${instanceId} answered with facts that are not JSON.`);
  }
}

function readFacts<T>(schema: z.ZodType<T>, instanceId: string, output: string): T {
  const result = schema.safeParse(factsLine(instanceId, output));
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new AdjoinError(
    'node-facts-invalid',
    `${instanceId} answered with unusable facts. ${problems.join('; ')}`,
  );
}

/** Readers of the facts lines. @throws AdjoinError `node-facts-invalid` */
export const facts = {
  probe: (instanceId: string, output: string): ProbeFacts => readFacts(probe, instanceId, output),
  join: (instanceId: string, output: string): JoinFacts => readFacts(join, instanceId, output),
  leave: (instanceId: string, output: string): LeaveFacts => readFacts(leave, instanceId, output),
  /** Undefined where there is no line: the exit code alone says how it ended. */
  postJoin: (instanceId: string, output: string): PostJoinFacts | undefined =>
    markedLine(output) === undefined ? undefined : readFacts(postJoin, instanceId, output),
} as const;

/** A sealed one-time password with the node and the name that it is for. */
export interface JoinEntry {
  readonly instanceId: string;
  readonly computerName: string;
  readonly sealed: string;
}

/** The shape that the documents' `allowedPattern` admits; checked here too, so that a defect is ours to see. */
const ENTRY = /^m?i-[0-9a-f]{17}:[A-Z0-9]{1,15}:[A-Za-z0-9+/=]{344,512}$/;

export function entryText(entry: JoinEntry): string {
  const written = `${entry.instanceId}:${entry.computerName}:${entry.sealed}`;
  if (!ENTRY.test(written)) throw new RangeError(`The join entry of ${entry.instanceId} is malformed.`);
  return written;
}

/** What a customer's own document can be for. */
export const ownPurposes = ['join', 'leave', 'post-join'] as const;
export type OwnPurpose = (typeof ownPurposes)[number];

/** A parameter that adjoin sends. */
interface SentParameter {
  readonly type: 'String' | 'StringList';
  /** It is sent only where the group or the configuration says something. */
  readonly isOptional?: true;
  /** Of the kind that is sent. */
  readonly sample: string;
  /** Characters of a value, or of one item, at most. */
  readonly longest: number;
  readonly mostItems?: number;
}

const domain: SentParameter = { type: 'String', sample: 'corp.example.test', longest: 253 };
const executionTimeout: SentParameter = { type: 'String', sample: '600', longest: 4 };
const optional = (sample: string, longest: number): SentParameter => ({
  type: 'String',
  isOptional: true,
  sample,
  longest,
});

/** The parameters of each kind of document. Run Command refuses a command with one that the document does not declare. */
export const sentParameters: Readonly<Record<OwnPurpose, Readonly<Record<string, SentParameter>>>> = {
  join: {
    domain,
    domainController: { type: 'String', sample: 'dc1.corp.example.test', longest: 253 },
    entries: {
      type: 'StringList',
      sample: `i-0123456789abcdef0:A0123456789ABCD:${'A'.repeat(342)}==`,
      longest: 548,
      mostItems: 40,
    },
    operatingSystem: optional('AMAZON_LINUX', 12),
    packageRepository: optional('https://packages.example.test/@id@/@version@/@arch@', 512),
    logInGroups: optional('Domain+Users:ops', 1024),
    sudoGroups: optional('ops', 1024),
    groupPolicy: { type: 'String', sample: 'enforcing', longest: 10 },
    executionTimeout,
  },
  leave: { domain, notAfter: { type: 'String', sample: '1800000000', longest: 10 }, executionTimeout },
  'post-join': { domain, executionTimeout },
};
