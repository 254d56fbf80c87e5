/** What must be there for any group: the deployment, its credential and its workers. */
import { roleNameOf } from '../roles.ts';
import { type Check, failed, passed, skipped } from '../../checks/check.ts';
import { readersOf } from './secret-policy.ts';
import type { DeskPorts, GroupInstance } from './ports.ts';

type DeskCheck = Check<DeskPorts>;

/** Milliseconds by which AWS lets a request's time be wrong. */
const MOST_SKEW_MS = 300_000;
/** Sweeps that may be missing before it is told: one may be long. */
const SWEEPS_LATE = 3;

export const IDENTITY = 'identity';

const accountChecks: readonly DeskCheck[] = [
  {
    id: IDENTITY,
    category: 'account',
    title: 'your AWS credentials are of the account of the deployment',
    severity: 'fatal',
    todo: 'Sign in to the account that the configuration names, or take the configuration of this one (output AgentConfig of the stack).',
    actions: [],
    async look({ identity, config }, signal) {
      const { account, arn } = await identity(signal);
      return account === config.accountId
        ? passed(arn)
        : failed(`${arn} is of the account ${account}; the configuration is of ${config.accountId}.`);
    },
  },
  {
    id: 'clock',
    category: 'account',
    title: 'the clock of this computer is right',
    severity: 'warning',
    todo: 'Set the clock, or have it set by NTP: AWS refuses requests that are five minutes off.',
    actions: [],
    needs: [IDENTITY],
    async look({ identity }, signal) {
      const { skewMs } = await identity(signal);
      if (skewMs === undefined) return skipped('the answer of AWS has no date');
      const seconds = Math.round(Math.abs(skewMs) / 1000);
      return Math.abs(skewMs) < MOST_SKEW_MS ? passed() : failed(`It is ${seconds} s away from AWS's.`);
    },
  },
];

const storeChecks: readonly DeskCheck[] = [
  {
    id: 'queue',
    category: 'deployment',
    title: 'the queue is there, and its messages are encrypted',
    severity: 'fatal',
    todo: 'Deploy the stack again; compare queueUrl of the configuration with its output QueueUrl.',
    actions: ['sqs:GetQueueAttributes'],
    needs: [IDENTITY],
    async look({ queue }, signal) {
      const { isEncrypted } = await queue(signal);
      return isEncrypted ? passed() : failed('The queue is not encrypted.');
    },
  },
  {
    id: 'messages',
    category: 'deployment',
    title: 'workers take the messages up',
    severity: 'warning',
    todo: 'Look at the workers below, and at the alarm on the age of messages. What waits is done when a worker works again.',
    actions: ['sqs:GetQueueAttributes'],
    needs: ['queue'],
    async look({ queue }, signal) {
      const { waiting, inFlight } = await queue(signal);
      return waiting > 0 && inFlight === 0
        ? failed(`${waiting} wait, and none is worked on.`)
        : passed(waiting + inFlight === 0 ? 'none is there' : `${inFlight} worked on, ${waiting} waiting`);
    },
  },
  {
    id: 'dead-letters',
    category: 'deployment',
    title: 'the dead-letter queue is empty',
    severity: 'warning',
    todo: 'Look at them: `adjoin dead-letters list`. It says why each is there.',
    actions: ['sqs:GetQueueAttributes', 'sqs:GetQueueUrl'],
    needs: ['queue'],
    async look({ queue, depth }, signal) {
      const { deadLetterQueueArn } = await queue(signal);
      if (deadLetterQueueArn === undefined)
        return failed('The queue has no dead-letter queue.', 'Deploy the stack again.');
      const letters = await depth(deadLetterQueueArn, signal);
      return letters === 0 ? passed() : failed(`It has ${letters} message${letters === 1 ? '' : 's'}.`);
    },
  },
  {
    id: 'ledger',
    category: 'deployment',
    title: 'the table of memberships is there',
    severity: 'fatal',
    todo: 'Deploy the stack again, or restore the table from its backups: without it nothing is joined or removed.',
    actions: ['dynamodb:DescribeTable'],
    needs: [IDENTITY],
    async look({ tableStatus }, signal) {
      const status = await tableStatus(signal);
      return status === 'ACTIVE' ? passed() : failed(`It is ${status}.`);
    },
  },
  {
    id: 'documents',
    category: 'deployment',
    title: 'the command documents are those that the workers pin',
    severity: 'fatal',
    todo: 'Find out who changed them (CloudTrail: UpdateDocument), and deploy the stack again. Run Command refuses them meanwhile.',
    actions: ['ssm:DescribeDocument', 'ssm:GetDocument'],
    needs: [IDENTITY],
    async look({ config, document }, signal) {
      const pinned = [
        ...Object.values(config.documents),
        ...config.ownDocuments.map((text) => {
          const [name = '', version = '', hash = ''] = text.split(':');
          return { name, version, hash };
        }),
      ];
      const wrong: string[] = [];
      for (const { name, version, hash } of pinned) {
        const found = await document(name, version, signal);
        if (!found) wrong.push(`${name} is not there in version ${version}`);
        else if (found.status !== 'Active') wrong.push(`${name} is ${found.status}`);
        else if (found.sha256 !== hash)
          wrong.push(`${name} has the SHA-256 ${found.sha256.slice(0, 12)}…, not ${hash.slice(0, 12)}…`);
      }
      return wrong.length === 0
        ? passed(`${pinned.length}, by their SHA-256`)
        : failed(`${wrong.join('; ')}.`);
    },
  },
];

const credentialChecks: readonly DeskCheck[] = [
  {
    id: 'secret',
    category: 'credential',
    title: 'the secret has a value',
    severity: 'fatal',
    todo: 'Put it, as docs/deploy.md shows (Put the credential).',
    actions: ['secretsmanager:DescribeSecret'],
    needs: [IDENTITY],
    async look({ secret }, signal) {
      const { currentVersion } = await secret(signal);
      return currentVersion === undefined ? failed('No value was put.') : passed(`version ${currentVersion}`);
    },
  },
  {
    id: 'secret-readers',
    category: 'credential',
    title: 'only workers, and the break-glass role, may read the secret',
    severity: 'fatal',
    todo: 'Find out who changed the policy (CloudTrail: PutResourcePolicy, DeleteResourcePolicy), deploy the stack again, and give the service account a new password.',
    actions: ['secretsmanager:GetResourcePolicy'],
    needs: [IDENTITY],
    async look({ secret, config }, signal) {
      const { policy } = await secret(signal);
      const { readers, endpoint } = readersOf(policy);
      if (readers === undefined) return failed('No statement of its policy denies reading to all others.');
      const worker = readers.filter((arn) => arn.endsWith(`/${roleNameOf(config, 'worker')}`));
      if (worker.length !== 1 || readers.length > 2 || readers.some((arn) => /[*?]/.test(arn)))
        return failed(`Its policy lets these read: ${readers.join(', ')}.`);
      if (endpoint === undefined) return failed('No statement of its policy demands its VPC endpoint.');
      return passed(`${readers.map((arn) => arn.split('/').at(-1)).join(', ')}, through ${endpoint}`);
    },
  },
  {
    id: 'credential',
    category: 'credential',
    title: 'no worker was refused with the value that the secret has',
    severity: 'fatal',
    todo: 'Put the right value, as docs/deploy.md shows (Put the credential). A refused one is not tried again.',
    actions: ['dynamodb:GetItem'],
    needs: ['secret', 'ledger'],
    async look({ secret, refusal }, signal) {
      const { currentVersion = '' } = await secret(signal);
      const known = await refusal(currentVersion);
      return known ? failed(`${known.code}: ${known.message}`) : passed();
    },
  },
];

const isServing = ({ lifecycleState, isHealthy }: GroupInstance): boolean =>
  lifecycleState === 'InService' && isHealthy;

export const workerGroupOf = (deployment: string): string => `${deployment}-worker`;

const workerChecks: readonly DeskCheck[] = [
  {
    id: 'workers',
    category: 'workers',
    title: 'as many workers are in service as there should be',
    severity: 'fatal',
    todo: 'Look at the activities of the group, and at the console output of the instance (`aws ec2 get-console-output`): its set-up says which step failed.',
    actions: ['autoscaling:DescribeAutoScalingGroups'],
    needs: [IDENTITY],
    async look({ group, config }, signal) {
      const name = workerGroupOf(config.deployment);
      const workers = await group(name, signal);
      if (!workers) return failed(`There is no group ${name}.`, 'Deploy the stack again.');
      const serving = workers.instances.filter(isServing).length;
      if (workers.desired === 0)
        return failed(
          `${name} is scaled to 0: nothing is joined or removed.`,
          'Deploy the stack with WorkerCount=2.',
        );
      return serving >= workers.desired
        ? passed(`${serving} of ${workers.desired}`)
        : failed(`${serving} of ${workers.desired} are in service and healthy.`);
    },
  },
  {
    id: 'worker-version',
    category: 'workers',
    title: 'all workers are of the present launch template',
    severity: 'warning',
    todo: 'Wait until the update of the stack has ended, or refresh the instances of the group.',
    actions: ['autoscaling:DescribeAutoScalingGroups'],
    needs: ['workers'],
    async look({ group, config }, signal) {
      const workers = await group(workerGroupOf(config.deployment), signal);
      const old = workers?.instances.filter(({ template }) => template !== workers.template) ?? [];
      return old.length === 0
        ? passed()
        : failed(`${old.map(({ instanceId }) => instanceId).join(', ')}: of another version.`);
    },
  },
  {
    id: 'sweep',
    category: 'workers',
    title: 'the sweep runs on schedule',
    severity: 'warning',
    todo: "Look for `sweep failed` in the workers' log. Accounts of instances that ended without their hook stay meanwhile.",
    actions: ['dynamodb:GetItem'],
    needs: ['ledger'],
    async look({ sweepEndedAt, config, now }) {
      if (!config.sweep.enabled) return skipped('it is switched off (sweep.enabled)');
      const endedAt = await sweepEndedAt();
      if (endedAt === undefined) return skipped('none has ended yet');
      const minutes = Math.round((now() - endedAt) / 60_000);
      return now() - endedAt > SWEEPS_LATE * config.sweep.intervalSeconds * 1000
        ? failed(`The last one ended ${minutes} minutes ago.`)
        : passed(`the last one ended ${minutes} min ago`);
    },
  },
];

export const deploymentChecks: readonly DeskCheck[] = [
  ...accountChecks,
  ...storeChecks,
  ...credentialChecks,
  ...workerChecks,
];
