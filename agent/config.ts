/**
 * The agent's configuration: a JSON file, overridden by `ADJOIN_*` environment variables, validated as a whole.
 * `config/schema.json` is generated from here by scripts/schema.ts; a test keeps the two equal.
 */
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { AdjoinError, reasonOf } from './errors.ts';

const seconds = (minimum: number, maximum: number, fallback: number, meaning: string) =>
  z.number().min(minimum).max(maximum).default(fallback).describe(`${meaning} Seconds.`);

/**
 * A group's name (sAMAccountName) as adjoin takes it: letters, digits and underscores, and in between dots, hyphens and spaces. The
 * directory allows more, but a name goes into sssd.conf and sudoers, where most other characters mean something.
 */
export const GROUP_NAME = /^[A-Za-z0-9_]([A-Za-z0-9_. -]{0,62}[A-Za-z0-9_])?$/;
/** As many as a document's parameter takes, 1,024 characters, with names of 64 and a character between them. */
const MOST_GROUPS = 15;
const groupName = z
  .string()
  .regex(GROUP_NAME, 'is no name of a group with letters, digits, spaces, and the characters . _ - alone');

const document = (purpose: string) =>
  z
    .strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9_.-]{3,128}$/, 'is not the name of a command document')
        .describe('Name of the command document.'),
      version: z
        .string()
        .regex(/^[1-9][0-9]*$/, 'must be a pinned version number, not $LATEST or $DEFAULT')
        .describe('Pinned version; Run Command refuses any other.'),
      hash: z
        .string()
        .regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 of the document in hexadecimal')
        .describe('SHA-256 of the document; Run Command refuses other content.'),
    })
    .describe(`The command document that serves to ${purpose}.`);

/** What the names of documents that groups bring begin with, after the deployment's name: the worker may run no others. */
const OWN_PREFIX = 'own-';

const settings = z.strictObject({
  $schema: z.string().optional().describe('Where an editor finds the JSON schema. Not used by the agent.'),
  deployment: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,32}$/, 'must be 1 to 32 letters, digits or hyphens')
    .default('adjoin')
    .describe(
      'Name of this deployment. It is part of the stamp on each computer account; changing it orphans them.',
    ),
  region: z
    .string()
    .regex(/^[a-z]{2,}(-[a-z]+)+-\d$/, 'is not the name of an AWS Region')
    .describe('The Region of the queue and of every instance.'),
  accountId: z
    .string()
    .regex(/^\d{12}$/, 'must be 12 digits')
    .describe('The AWS account of every instance.'),
  queueUrl: z.url().describe('URL of the SQS queue that the lifecycle hooks send to.'),
  table: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{3,255}$/, 'is not the name of a DynamoDB table')
    .describe('Name of the DynamoDB table of memberships (partition key `instanceId`, a string).'),
  secretId: z.string().min(1).max(2048).describe('Name or ARN of the secret with the service account.'),
  documents: z
    .strictObject({
      probe: document('look at a node and make its key pair'),
      joinLinux: document('join the domain, on Linux'),
      joinWindows: document('join the domain, on Windows'),
      leave: document('leave the domain'),
    })
    .describe('The command documents, pinned.'),
  ownDocuments: z
    .array(
      z
        .string()
        .regex(
          /^[A-Za-z0-9_.-]{3,128}:[1-9][0-9]*:[0-9a-f]{64}$/,
          'must be NAME:VERSION:SHA256, as `adjoin document check` prints it',
        ),
    )
    .max(50)
    .default([])
    .describe(
      'Command documents of your own that the tags `adjoin:JoinDocument`, `adjoin:LeaveDocument` and `adjoin:PostJoinDocument` of Auto Scaling groups may name, each as `NAME:VERSION:SHA256`. Names begin with the deployment’s and `-own-`; Run Command refuses another version and other content.',
    ),
  standaloneInstances: z
    .boolean()
    .default(false)
    .describe(
      'Whether instances outside Auto Scaling groups that have the tag JoinAD=true are joined when they run, and unjoined when they end. An EventBridge rule must send their state changes to the queue.',
    ),
  operatorRoleId: z
    .string()
    .regex(/^AROA[A-Z0-9]+$/, 'is not the unique ID of a role (AROA…)')
    .optional()
    .describe(
      'Unique ID of the role that `adjoin join` and `adjoin unjoin` are used with. Requests of other senders, and all of them without this, end in the dead-letter queue.',
    ),
  concurrency: z
    .int()
    .min(1)
    .max(1000)
    .default(128)
    .describe(
      'Launches worked on at once, and as many terminations. One that waits for its node, between two attempts or for its answer does not count; 10,000 of each are kept alive. No group gets all of them.',
    ),
  receive: z
    .strictObject({
      waitSeconds: z.int().min(0).max(20).default(20).describe('Long poll of SQS. Seconds.'),
      visibilitySeconds: z
        .int()
        // The lease lasts four fifths of it and is renewed at a third of that: at 10, an answer may take five seconds.
        .min(10)
        .max(3600)
        .default(120)
        .describe(
          "How long a message stays hidden at most before it must be renewed: the time until another worker takes over from a dead one. It is two fifths of the hook's heartbeat if that is less. Seconds.",
        ),
    })
    .prefault({})
    .describe('Receiving messages.'),
  nodes: z
    .strictObject({
      registrationPollSeconds: seconds(
        0.1,
        60,
        2,
        'How often nodes that boot are looked up at most, up to 50 in a call; less often while a boot of their group can not be over, and the longer it takes.',
      ),
      commandPollSeconds: seconds(0.1, 60, 1, 'How often the state of running commands is looked up.'),
      coalesceSeconds: seconds(
        0,
        5,
        0.2,
        'How long a command waits for others that can share it, at most 50 nodes each; after a quiet time no longer than 5 milliseconds.',
      ),
      deliverySeconds: z
        .int()
        .min(30)
        .max(2592000)
        .default(120)
        .describe('How long Run Command tries to deliver (its own minimum is 30). Seconds.'),
      probeSeconds: z.int().min(5).max(3600).default(60).describe('Execution time-out of a probe. Seconds.'),
      joinSeconds: z.int().min(5).max(3600).default(600).describe('Execution time-out of a join. Seconds.'),
      postJoinSeconds: z
        .int()
        .min(5)
        .max(3600)
        .default(600)
        .describe(
          'How long a launch waits for the post-join document of its group, and execution time-out of that document. Seconds.',
        ),
      leaveSeconds: z
        .int()
        .min(5)
        .max(600)
        .default(20)
        .describe(
          'Execution time-out of a leave, which is best effort: the unjoin goes on without it. Seconds.',
        ),
      packageRepository: z
        .string()
        .max(512)
        .regex(
          /^((https:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?|file:\/\/)(\/([A-Za-z0-9._~+-]|@id@|@version@|@arch@)+)+\/?)?$/,
          'is not an https or file URL; @id@, @version@ and @arch@ may stand in its path',
        )
        .default('')
        .describe(
          'Repository from which a launch installs missing packages with dnf, yum or zypper; `@id@`, `@version@` and `@arch@` stand for the ID and major version of /etc/os-release and for the architecture. Empty: Amazon Linux installs from its own repository, and other images must have them.',
        ),
    })
    .prefault({})
    .describe('Run Command.'),
  logIn: z
    .strictObject({
      groups: z
        .array(groupName)
        .max(MOST_GROUPS)
        .default([])
        .describe(
          'Groups of the domain whose members may log in to nodes, by sAMAccountName. Without any, everyone may whom the domain lets in. The tag `adjoin:LogInGroups` of an Auto Scaling group counts more.',
        ),
      sudoGroups: z
        .array(groupName)
        .max(MOST_GROUPS)
        .default([])
        .describe(
          'Groups of the domain whose members may use sudo on nodes, and log in for it. The tag `adjoin:SudoGroups` of an Auto Scaling group counts more.',
        ),
      groupPolicy: z
        .enum(['enforcing', 'permissive', 'disabled'])
        .default('enforcing')
        .describe(
          'What sssd does with the log-in rights in the domain’s group policies, where no groups are named: `enforcing` obeys them, `permissive` only logs, `disabled` does not look (ad_gpo_access_control).',
        ),
    })
    .prefault({})
    .describe('Who may log in to nodes. Linux only.'),
  directory: z
    .strictObject({
      controllers: z
        .array(z.string().regex(/^[A-Za-z0-9_.-]+(:\d{1,5})?$/, 'must be host or host:port'))
        .min(1)
        .optional()
        .describe(
          'Domain controllers to use, and no others. Without it they are found through DNS SRV records; a host that DNS names must prove that it is a controller.',
        ),
      site: z
        .string()
        .regex(/^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/, 'is not the name of an Active Directory site')
        .optional()
        .describe(
          'Active Directory site of the worker. Of the domain controllers that DNS names, those of this site are tried first. Without it the worker asks a controller which site it is in, as Windows does. Not used together with `controllers`.',
        ),
      caFile: z
        .string()
        .min(1)
        .optional()
        .describe('PEM file with the CA of the LDAPS certificates. Without it the system CAs are trusted.'),
      namePrefixes: z
        .array(z.string().regex(/^[A-Z]$/, 'must be one capital letter'))
        .min(1)
        .max(26)
        .default(['A', 'B', 'C'])
        .describe(
          'First letters of computer names, tried in this order when a name belongs to another account.',
        ),
      dnsCleanup: z
        .enum(['records', 'none'])
        .default('records')
        .describe(
          'What becomes of the DNS records that an instance registered: `records` removes them with its account; `none` leaves them to others and takes no right in the zone.',
        ),
      connectSeconds: seconds(0.1, 60, 5, 'Time-out of a connection to a domain controller.'),
      operationSeconds: seconds(0.1, 15, 15, 'Time-out of one LDAP operation.'),
    })
    .prefault({})
    .describe('The directory.'),
  patience: z
    .strictObject({
      joinSeconds: seconds(
        1,
        36000,
        1800,
        'How long a launch is kept waiting by heartbeats while it cannot be joined, before it is answered as the policy of its group says.',
      ),
      unjoinSeconds: seconds(
        1,
        36000,
        3600,
        'How long a termination is kept waiting by heartbeats while the account cannot be removed, before the ledger records the removal as owed and leaves it to the sweep.',
      ),
      leaveSeconds: seconds(0, 600, 15, 'How long an unjoin waits for the node to leave by itself.'),
      joinAttempts: z
        .int()
        .min(1)
        .max(100)
        .default(5)
        .describe('How often a join is tried when the node answers that it failed.'),
      retrySeconds: seconds(0.1, 600, 2, 'First pause before a retry; it doubles each time, with jitter.'),
      retryMaximumSeconds: seconds(0.1, 3600, 30, 'Longest pause before a retry.'),
    })
    .prefault({})
    .describe('How long things are tried.'),
  sweep: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Whether this worker takes part in the scheduled sweep.'),
      intervalSeconds: seconds(
        10,
        86400,
        3600,
        'How long after the end of one sweep the next one begins, all workers together.',
      ),
      ageGuardSeconds: seconds(
        0,
        2592000,
        3600,
        'How old an account must be before the sweep removes it because its instance is gone. What EC2 shows of a new instance is eventually consistent.',
      ),
      maximumRemovals: z
        .int()
        .min(0)
        .max(100000)
        .default(100)
        .describe('Most accounts that one sweep removes. It limits the damage of an unforeseen mistake.'),
      quarantineDays: z
        .number()
        .min(0)
        .max(365)
        .default(0)
        .describe(
          'How long the accounts of an instance that ended without its hook stay disabled before the sweep removes them. If the instance is seen alive in this time, they are enabled again. 0: they are removed at once. Days.',
        ),
      largestLossPercent: z
        .number()
        .min(0)
        .max(100)
        .default(50)
        .describe(
          'Most of the members in the ledger, in percent, that may be missing from EC2 or from the directory at once. If more are, and they are five or more, the sweep removes nothing and says so. 100: any number.',
        ),
    })
    .prefault({})
    .describe(
      'The sweep: removing the accounts of instances that ended without their hook, and removals that are owed.',
    ),
  credentialPollSeconds: seconds(
    0.1,
    3600,
    15,
    'How often the secret is read. A new version is tried by a bind of its own within this time, also while there is no work.',
  ),
  drainSeconds: seconds(
    1,
    3600,
    60,
    'After SIGTERM: how long actions in progress may take before they are handed back to the queue.',
  ),
  logLevel: z
    .enum(['error', 'warn', 'info', 'debug'])
    .default('info')
    .describe('Least severe level that is logged.'),
});

const schema = settings.superRefine(({ deployment, ownDocuments }, context) => {
  const prefix = `${deployment}-${OWN_PREFIX}`;
  const seen = new Set<string>();
  for (const [index, text] of ownDocuments.entries()) {
    const name = text.slice(0, text.indexOf(':'));
    const path = ['ownDocuments', index];
    if (!name.startsWith(prefix))
      context.addIssue({ code: 'custom', path, message: `${name} does not begin with ${prefix}` });
    if (seen.has(name)) context.addIssue({ code: 'custom', path, message: `${name} is there twice` });
    seen.add(name);
  }
});

export type Config = Readonly<z.output<typeof schema>>;

interface SchemaNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
}

/** The JSON schema of the configuration file (draft 2020-12), for editors and for other languages. */
export function configJsonSchema(): Record<string, unknown> {
  const generated = z.toJSONSchema(schema, { io: 'input' });
  return { ...generated, title: 'adjoin agent configuration' };
}

/** One setting that an environment variable may override. */
export interface Override {
  /** `ADJOIN_` and the path of the setting in capitals, as in `ADJOIN_DIRECTORY_CA_FILE`. */
  readonly variable: string;
  readonly path: readonly string[];
  readonly type: string;
}

/** Every setting that the environment can override, in the order of the schema. */
export function overrides(): Override[] {
  const found: Override[] = [];
  const visit = (node: SchemaNode, path: readonly string[]): void => {
    if (node.properties) {
      for (const [key, child] of Object.entries(node.properties)) visit(child, [...path, key]);
      return;
    }
    if (path[0] === '$schema') return;
    const variable = ['ADJOIN', ...path.map((key) => key.replaceAll(/(?=[A-Z])/g, '_').toUpperCase())].join(
      '_',
    );
    found.push({ variable, path, type: node.type ?? 'string' });
  };
  visit(configJsonSchema(), []);
  return found;
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A list is written with commas, a number as a number; what can't be read as its type is left to the validation. */
function fromText(text: string, type: string): Json {
  if (type === 'array') return text.split(',').map((part) => part.trim());
  if (type === 'boolean') return text === 'true' || (text === 'false' ? false : text);
  if (type === 'number' || type === 'integer') return text.trim() === '' ? text : Number(text);
  return text;
}

function place(target: Record<string, unknown>, path: readonly string[], value: Json): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const child = target[key];
  const next: Record<string, unknown> = isObject(child) ? { ...child } : {};
  target[key] = next;
  place(next, rest, value);
}

const nameOf = (path: readonly PropertyKey[]): string => path.map(String).join('.') || '(the whole file)';

/**
 * Validates the text of a configuration file with the environment laid over it.
 * @throws AdjoinError `config-invalid`, listing every problem at once.
 */
export function parseConfig(text: string, environment: Readonly<Record<string, string | undefined>>): Config {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw new AdjoinError('config-invalid', `The configuration is not JSON: ${reasonOf(error)}`);
  }
  if (!isObject(file)) throw new AdjoinError('config-invalid', 'The configuration is not a JSON object.');

  const merged: Record<string, unknown> = { ...file };
  const problems: string[] = [];
  // Node would believe any host then: AWS's endpoints under a forged name, and whoever stands before them.
  if (environment['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    problems.push('NODE_TLS_REJECT_UNAUTHORIZED: 0 would switch the check of all certificates off; unset it');
  }
  const known = new Map(overrides().map((override) => [override.variable, override]));
  const origin = new Map<string, string>();
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith('ADJOIN_') || value === undefined) continue;
    const override = known.get(variable);
    if (!override) {
      problems.push(`${variable}: no setting has this name`);
      continue;
    }
    origin.set(nameOf(override.path), variable);
    place(merged, override.path, fromText(value, override.type));
  }

  const result = schema.safeParse(merged);
  if (!result.success) {
    for (const issue of result.error.issues) {
      const name = nameOf(issue.path);
      // A problem with one item of a list is the list's.
      const variable = origin.get(name) ?? origin.get(nameOf(issue.path.slice(0, -1)));
      problems.push(`${variable ? `${variable} (${name})` : name}: ${issue.message}`);
    }
  }
  if (problems.length > 0 || !result.success) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    throw new AdjoinError('config-invalid', `The configuration has ${count}:\n- ${problems.join('\n- ')}`);
  }
  return result.data;
}

/**
 * Reads and validates the configuration file.
 * @throws AdjoinError `config-invalid`
 */
export function loadConfig(file: string, environment: Readonly<Record<string, string | undefined>>): Config {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new AdjoinError('config-invalid', `The configuration file can't be read: ${reasonOf(error)}`);
  }
  return parseConfig(text, environment);
}
