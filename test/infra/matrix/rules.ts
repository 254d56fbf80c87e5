/**
 * Who may do what, as sentences with the cases that each speaks about. The answer that the matrix expects is: allowed,
 * if a sentence of {@link mays} grants it and none of {@link nevers} takes it away. Written from the demands
 * and from what AWS documents, without a look at how the policies put it.
 */
import type { Act, Target } from './acts.ts';
import type { Actor, ActorName } from './cast.ts';
import type { Circumstances } from './circumstances.ts';

export interface Case {
  readonly actor: Actor;
  readonly act: Act;
  readonly circumstances: Circumstances;
}

export interface Rule {
  readonly sentence: string;
  applies(this: void, it: Case): boolean;
}

export function expected(it: Case): { allowed: boolean; because: readonly string[] } {
  const forbidding = nevers.filter((rule) => rule.applies(it));
  const granting = mays.filter((rule) => rule.applies(it));
  if (granting.length === 0) return { allowed: false, because: ['Nobody said that it is allowed.'] };
  const because = (forbidding.length > 0 ? forbidding : granting).map(({ sentence }) => sentence);
  return { allowed: forbidding.length === 0, because };
}

const who =
  (...names: ActorName[]) =>
  ({ actor }: Case) =>
    names.includes(actor.name);

/** Target, then the actions on it; without the service where they are of the target's own. */
const doing =
  (target: Target, ...actions: string[]) =>
  ({ act }: Case) =>
    act.target === target && (actions.length === 0 || actions.some((each) => isAction(act, each)));

function isAction({ action }: Act, name: string): boolean {
  return action === name || action.split(':')[1] === name;
}

type Part = (it: Case) => boolean;
const both =
  (...parts: Part[]): Part =>
  (it) =>
    parts.every((part) => part(it));
const either =
  (...parts: Part[]): Part =>
  (it) =>
    parts.some((part) => part(it));
const not =
  (part: Part): Part =>
  (it) =>
    !part(it);
const on =
  (...targets: Target[]): Part =>
  ({ act }) =>
    targets.includes(act.target);
const from =
  (...places: Circumstances['place'][]): Part =>
  ({ circumstances }) =>
    places.includes(circumstances.place);
const flawed =
  (...flaws: NonNullable<Circumstances['flaw']>[]): Part =>
  ({ circumstances: { flaw } }) =>
    flaw !== undefined && flaws.includes(flaw);

const theWorker = who('worker', 'worker with everything');
const administrators = who('secret administrator', 'break-glass role');
const withEverything = who(
  ...(['account administrator', 'secret administrator', 'break-glass role', 'root user'] as const),
  ...(['node with everything', 'worker with everything'] as const),
);
const sessionOperators = who('session operator', 'session operator and developer');
const forwarders = who('forwarding operator', 'forwarding operator and developer');
const containerOperators = who('container operator', 'container operator and developer');
const operators = either(sessionOperators, forwarders, containerOperators);
const developers = who(
  ...(['developer', 'session operator and developer'] as const),
  ...(['forwarding operator and developer', 'container operator and developer'] as const),
);
const aKey = on(
  ...(['secret key', 'system key', 'session key'] as const),
  ...(['secret key, asked by Secrets Manager', 'system key, asked by SQS'] as const),
);
const assuming = either(
  ...(['worker role', 'publisher role', 'dead-letter role', 'membership role'] as const).map((role) =>
    doing(role, 'AssumeRole'),
  ),
);
const keyManagement = either(
  ...(['secret key', 'system key', 'session key'] as const).map((key) =>
    both(on(key), not(doing(key, 'Decrypt', 'GenerateDataKey'))),
  ),
);
const bare = flawed('resource policies gone');
const inOrder = not(flawed('no MFA', 'another network', 'after hours'));
const ownSessions = doing('own session');
const through = from('through our endpoint', 'through our endpoint, which lets all pass');
/** Of whatever account: what a rule sends to a topic does not say whose it is. */
const lifecycleRules = who('lifecycle rule', 'state-change rule');
const eventBridge = either(lifecycleRules, who('audit rule', 'other rule', "another account's rule"));
const underAnotherKey = on(
  ...(['session record under another key', "session record under Amazon's KMS key"] as const),
  "session record under S3's own key",
);
const sessionRecording = either(
  doing('session log stream', 'PutLogEvents'),
  doing('session bucket', 'GetEncryptionConfiguration'),
  doing('session record', 'PutObject'),
  on('session record without a word about its seal'),
  underAnotherKey,
  doing('session key', 'Decrypt', 'GenerateDataKey'),
  on('node itself'),
);

export const mays: readonly Rule[] = [
  {
    sentence: 'Who has *:* may do whatever nothing forbids, except with keys and by assuming roles.',
    applies: both(withEverything, not(both(aKey, not(bare))), not(assuming)),
  },
  {
    sentence: 'A developer may do whatever is not IAM, except with keys and by assuming roles.',
    applies: both(
      developers,
      ({ act }) => !act.action.startsWith('iam:'),
      not(both(aKey, not(bare))),
      not(assuming),
    ),
  },
  {
    sentence: 'The worker receives, postpones and deletes lifecycle messages.',
    applies: both(theWorker, doing('queue', 'ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility')),
  },
  {
    sentence: 'The worker looks at groups, hooks, instances and their tags, nodes and command results.',
    applies: both(theWorker, on('all groups')),
  },
  {
    sentence: 'The worker answers lifecycle actions of groups that opted in.',
    applies: both(
      theWorker,
      doing('fleet group', 'RecordLifecycleActionHeartbeat', 'CompleteLifecycleAction'),
    ),
  },
  {
    sentence: "The worker runs adjoin's documents on nodes that opted in.",
    applies: both(
      theWorker,
      either(
        doing('join document', 'SendCommand'),
        doing('earlier join document', 'SendCommand'),
        doing("customer's own document", 'SendCommand'),
        doing('opted-in node', 'SendCommand'),
        doing('opted-in hybrid node', 'SendCommand'),
      ),
    ),
  },
  {
    sentence: 'The worker reads the secret.',
    applies: both(theWorker, doing('secret', 'GetSecretValue')),
  },
  {
    sentence: 'The worker keeps memberships.',
    applies: both(theWorker, doing('memberships', 'GetItem', 'PutItem', 'Scan')),
  },
  {
    sentence: 'The worker fetches the agent and writes its log.',
    applies: both(
      theWorker,
      either(doing('agent file', 'GetObject'), doing('worker log stream', 'CreateLogStream', 'PutLogEvents')),
    ),
  },
  {
    sentence: 'The worker opens messages and the secret, through SQS and Secrets Manager only.',
    applies: both(
      theWorker,
      either(
        doing('system key, asked by SQS', 'Decrypt'),
        doing('secret key, asked by Secrets Manager', 'Decrypt'),
      ),
    ),
  },
  {
    sentence: 'The worker lets its administrator in, and records the session.',
    applies: both(theWorker, sessionRecording),
  },
  {
    sentence: 'The hook publisher sends lifecycle messages, and seals them through SQS.',
    applies: both(
      who('hook publisher'),
      either(doing('queue', 'SendMessage'), on('system key, asked by SQS')),
    ),
  },
  {
    sentence: 'A named administrator becomes the dead-letter operator, or the membership operator, with MFA.',
    applies: both(
      who('secret administrator'),
      either(doing('dead-letter role', 'AssumeRole'), doing('membership role', 'AssumeRole')),
      not(flawed('no MFA')),
    ),
  },
  {
    sentence: 'The dead-letter operator takes dead letters, sends them on, and looks up what became of them.',
    applies: both(
      who('dead-letter operator'),
      either(
        doing('dead letters', 'ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility'),
        doing('queue', 'SendMessage'),
        doing('memberships', 'GetItem'),
        on('system key, asked by SQS'),
      ),
    ),
  },
  {
    sentence: 'The membership operator asks workers, and looks up what became of it.',
    applies: both(
      who('membership operator'),
      either(doing('queue', 'SendMessage'), doing('memberships', 'GetItem'), on('system key, asked by SQS')),
    ),
  },
  {
    sentence: 'A node keeps its channel to Systems Manager open and records sessions.',
    applies: both(who('node', 'node with everything'), sessionRecording),
  },
  {
    sentence: 'Sessions are encrypted for whoever has KMS rights of his own.',
    applies: both(either(withEverything, developers), doing('session key', 'Decrypt', 'GenerateDataKey')),
  },
  {
    sentence: 'Who starts sessions encrypts them.',
    applies: both(either(operators, who('worker administrator')), doing('session key', 'GenerateDataKey')),
  },
  {
    sentence:
      'An operator starts sessions on tagged nodes, with MFA, from the right network, in the right hours.',
    applies: both(sessionOperators, doing('opted-in node', 'StartSession'), inOrder),
  },
  {
    sentence: 'An operator starts sessions with the session document.',
    applies: both(sessionOperators, doing('session document', 'StartSession')),
  },
  {
    sentence:
      'A forwarding operator forwards to tagged nodes, with MFA, from the right network, in the right hours.',
    applies: both(forwarders, doing('opted-in node', 'StartSession'), inOrder),
  },
  {
    sentence: 'A forwarding operator uses the forwarding documents.',
    applies: both(forwarders, doing('RDP document', 'StartSession')),
  },
  {
    sentence: 'Whoever starts sessions ends his own, and looks around.',
    applies: both(
      either(sessionOperators, forwarders, who('worker administrator')),
      either(ownSessions, doing('all groups', 'DescribeInstanceInformation', 'DescribeInstances')),
    ),
  },
  {
    sentence:
      'A container operator executes in tagged tasks, with MFA, from the right network, in the right hours.',
    applies: both(containerOperators, doing('task', 'ExecuteCommand'), inOrder),
  },
  {
    sentence: 'The worker administrator starts sessions on the worker, with MFA.',
    applies: both(
      who('worker administrator'),
      either(
        both(doing('worker instance', 'StartSession'), not(flawed('no MFA'))),
        doing('session document'),
      ),
    ),
  },
  {
    sentence: 'Keys are managed by the named administrators and the break-glass role.',
    applies: both(administrators, keyManagement),
  },
  {
    sentence: 'Who writes the secret seals it, through Secrets Manager only.',
    applies: both(administrators, on('secret key, asked by Secrets Manager')),
  },
  {
    sentence: 'The named administrators open dead letters, through SQS only.',
    applies: both(who('secret administrator'), doing('system key, asked by SQS', 'Decrypt')),
  },
  {
    sentence: 'The lifecycle rules of this account send.',
    applies: both(lifecycleRules, doing('queue', 'SendMessage')),
  },
  {
    sentence: 'EventBridge publishes to the audit topic, the alarms of this account to the alarm topic.',
    applies: either(
      both(eventBridge, doing('audit topic', 'Publish')),
      both(who('alarm'), doing('alarm topic', 'Publish')),
    ),
  },
  {
    sentence: 'EventBridge and the alarms of this account seal what they send.',
    applies: both(
      either(eventBridge, who('alarm')),
      either(doing('system key', 'Decrypt'), on('system key, asked by SQS')),
    ),
  },
  {
    sentence: "Only EC2 takes the worker's role, only Auto Scaling the publisher's.",
    applies: either(
      both(who('EC2'), doing('worker role', 'AssumeRole')),
      both(who('Auto Scaling'), doing('publisher role', 'AssumeRole')),
    ),
  },
];

const managing = doing(
  'queue',
  'PurgeQueue',
  'SetQueueAttributes',
  'AddPermission',
  'RemovePermission',
  'DeleteQueue',
  'TagQueue',
);

const takingDeadLetters = doing('dead letters', 'ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility');

/** Whom the guards are for: the deny policies hang on people, the organization's bind the account. */
const guarded = either(
  ({ actor, circumstances }: Case) => circumstances.guard === 'the deny policies' && actor.guarded,
  both(
    ({ circumstances }: Case) => circumstances.guard === 'the service control policies',
    not(
      either(
        theWorker,
        administrators,
        who('hook publisher', 'worker administrator', 'dead-letter operator', 'membership operator'),
      ),
    ),
    not(who("another account's root user", "another account's administrator")),
  ),
);

/** Target, then the actions that the guards leave free on it. */
const anythingBut = (target: Target, ...free: string[]) =>
  both(on(target), free.length > 0 ? not(doing(target, ...free)) : () => true);

const guards: readonly Rule[] = [
  {
    sentence: 'no shell and no command on the worker',
    applies: doing('worker instance', 'StartSession', 'SendCommand', 'CreateAssociation'),
  },
  {
    sentence: 'no stop, change, look at user data, image or snapshot of the worker',
    applies: either(
      both(on('worker instance'), ({ act }) => act.action.startsWith('ec2')),
      on('worker volume', 'worker launch template', 'worker group'),
    ),
  },
  {
    sentence: "no passing and no taking of the system's roles, and no change of them",
    applies: on('worker role', 'publisher role', 'dead-letter role', 'membership role'),
  },
  {
    sentence: 'no hand on the queues',
    applies: either(
      anythingBut('queue', 'GetQueueAttributes'),
      anythingBut('dead letters', 'GetQueueAttributes'),
    ),
  },
  {
    sentence: 'no change of memberships',
    applies: anythingBut('memberships', 'GetItem', 'Query', 'Scan', 'DescribeTable'),
  },
  {
    sentence: 'no hand on the secret',
    applies: anythingBut('secret', 'DescribeSecret', 'GetResourcePolicy'),
  },
  { sentence: 'no change of the keys', applies: keyManagement },
  {
    sentence: 'no change or use of the documents',
    applies: either(
      anythingBut('join document', 'GetDocument'),
      anythingBut("customer's own document", 'GetDocument'),
      on('earlier join document', 'document of a like name'),
    ),
  },
  {
    sentence: 'no change and no answer of the hooks, no opting out, no other answer to a failed join',
    applies: either(
      anythingBut('fleet group', 'SetDesiredCapacity'),
      on("fleet group's membership, among other tags", "fleet group's answer to a failed join"),
      on("fleet group's leave to remove accounts of others"),
      on("fleet group's people who use sudo", "fleet group's people who log in"),
      on("fleet group's operating system"),
      on("fleet group's scripts", "fleet group's script to leave", "fleet group's script after the join"),
      on("fleet group's answer to that script's failure"),
      on("fleet group's membership, in another spelling", "fleet group's sessions"),
    ),
  },
  {
    sentence: 'no opting out of a node, in whatever spelling, and no deletion of all its tags',
    applies: on("opted-in node's membership, in another spelling", "opted-in node's tags, all of them"),
  },
  { sentence: 'no cancelling of commands', applies: on('command that runs') },
  { sentence: 'no commands by way of a maintenance window', applies: on('maintenance window') },
  {
    sentence: "no resuming of another person's session",
    applies: doing("another's session", 'ResumeSession'),
  },
  {
    sentence: "no other agent, no deletion of its file, and no change of the file's bucket",
    applies: either(anythingBut('agent file', 'GetObject'), on("agent file's bucket")),
  },
  {
    sentence: "no deletion and no change of the logs, no forging of the worker's, but sessions are recorded",
    applies: either(
      on('worker log', 'worker log stream', 'session log'),
      anythingBut('session log stream', 'PutLogEvents'),
    ),
  },
  { sentence: 'no change of the trail', applies: on('trail') },
  {
    sentence: 'no change and no noise in audit rules, topics and alarms',
    applies: on('audit rule', 'audit topic', 'alarm topic', 'alarm'),
  },
  {
    sentence: 'no deletion and no change of session records, but writing goes on',
    applies: either(
      anythingBut('session bucket', 'GetEncryptionConfiguration'),
      doing('session record', 'DeleteObject', 'DeleteObjectVersion'),
    ),
  },
  { sentence: "no change of the system's network", applies: on('security group', 'endpoint') },
  {
    sentence: "no change of names and routes in the workers' VPC",
    applies: either(
      anythingBut('VPC', 'CreateSecurityGroup'),
      on('route table of the VPC', 'any route table, for an endpoint', 'resolver rule'),
      on('private zone for the VPC'),
    ),
  },
  { sentence: 'no policy over all logs', applies: on('all logs') },
  {
    sentence: 'no change of the deny policies, no detaching',
    applies: on('deny policy', 'attached deny policy'),
  },
  { sentence: 'no change of the stack', applies: on('stack') },
].map(({ sentence, applies }) => ({
  sentence: `Under a guard: ${sentence}.`,
  applies: both(guarded, applies),
}));

/** What resource policies see to. */
const onResources: readonly Rule[] = [
  {
    sentence:
      'Only the worker, the named administrators and the break-glass role touch the secret; others at most look at its description and policy.',
    applies: both(
      anythingBut('secret', 'DescribeSecret', 'GetResourcePolicy'),
      not(either(theWorker, administrators)),
    ),
  },
  {
    sentence: 'Only the worker and the break-glass role read the secret.',
    applies: both(doing('secret', 'GetSecretValue'), not(either(theWorker, who('break-glass role')))),
  },
  {
    sentence: 'Nobody reads the secret except through its endpoint.',
    applies: both(doing('secret', 'GetSecretValue'), not(through)),
  },
  {
    sentence: 'With the secret, the worker does nothing but read.',
    applies: both(theWorker, on('secret'), not(doing('secret', 'GetSecretValue', 'DescribeSecret'))),
  },
  {
    sentence: 'Only the hook publisher, the lifecycle rules of this account and the two operators send.',
    applies: both(
      doing('queue', 'SendMessage'),
      not(lifecycleRules),
      not(who('hook publisher', 'dead-letter operator', 'membership operator')),
    ),
  },
  {
    sentence: 'Only the worker receives, postpones and deletes messages.',
    applies: both(
      doing('queue', 'ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility'),
      not(theWorker),
    ),
  },
  {
    sentence: 'Only the named administrators and the break-glass role manage the queue.',
    applies: both(managing, not(administrators)),
  },
  {
    sentence:
      'Only the named administrators, the break-glass role and the dead-letter operator take dead letters.',
    applies: both(takingDeadLetters, not(either(administrators, who('dead-letter operator')))),
  },
  {
    sentence: 'Only the named administrators and the break-glass role do anything else with dead letters.',
    applies: both(
      on('dead letters'),
      not(either(takingDeadLetters, doing('dead letters', 'GetQueueAttributes'))),
      not(administrators),
    ),
  },
  {
    sentence:
      'Only the named administrators and the break-glass role delete the memberships, or change how they are kept.',
    applies: both(
      doing('memberships', 'DeleteTable', 'UpdateTable', 'UpdateContinuousBackups', 'PutResourcePolicy'),
      not(administrators),
    ),
  },
  { sentence: 'Nobody sends dead letters.', applies: doing('dead letters', 'SendMessage') },
  {
    sentence: 'Queues, topics and session records are reached by TLS only.',
    applies: both(
      flawed('no TLS'),
      not(
        either(
          ...(['audit topic', 'alarm topic'] as const).map((topic) =>
            both(on(topic), not(doing(topic, 'Publish'))),
          ),
        ),
      ),
    ),
  },
  {
    sentence: 'Session records stay, for all but the named administrators and the break-glass role.',
    applies: both(
      either(
        doing('session record', 'DeleteObject', 'DeleteObjectVersion'),
        anythingBut('session bucket', 'GetEncryptionConfiguration'),
      ),
      not(administrators),
    ),
  },
  {
    sentence: 'Session records are encrypted with the session key.',
    applies: underAnotherKey,
  },
];

export const nevers: readonly Rule[] = [
  ...onResources.map(({ sentence, applies }) => ({ sentence, applies: both(not(bare), applies) })),
  {
    sentence: "The worker's credentials work nowhere but in its VPC, except for services that act for it.",
    applies: both(theWorker, not(through), ({ act }) => !('aws:ViaAWSService' in act.context)),
  },
  {
    sentence: "The worker's credentials are worth nothing when IMDSv1 gave them out.",
    applies: flawed('IMDSv1'),
  },
  {
    sentence: "The secret's endpoint lets nothing pass but the worker's read of the secret.",
    applies: both(
      from('through our endpoint'),
      ({ act }) => act.action.startsWith('secretsmanager:'),
      not(both(theWorker, doing('secret', 'GetSecretValue'))),
    ),
  },
  {
    sentence: 'Operators never start a session or a command on the worker, whatever else they may.',
    applies: both(
      either(sessionOperators, forwarders),
      doing('worker instance', 'StartSession', 'SendCommand'),
    ),
  },
  {
    sentence: 'Container operators enter tasks through ECS Exec only.',
    applies: both(containerOperators, doing('task', 'StartSession')),
  },
  ...guards,
];
