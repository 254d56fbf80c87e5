/** Names for calls, so that the same call of another run is known again. */
import type { AwsCall } from './aws-tap.ts';
import type { LdapRequest } from './ldap-tap.ts';

export interface CallName {
  readonly name: string;
  /** A poll or a renewal: how often it comes is a matter of time, and the first stands for all. */
  readonly repeats: boolean;
}

export interface Names {
  aws(call: AwsCall): CallName;
  ldap(request: LdapRequest): CallName;
  /** A write of the ledger took place; the next one is named after what it changes. */
  written(call: AwsCall): void;
  /** The next call belongs to another action. */
  reset(): void;
}

export interface NamesOptions {
  /** Names of the command documents, by purpose. */
  readonly documents: Readonly<Record<string, string>>;
  /** Distinguished name of the domain, left out of names. */
  readonly baseDn: string;
}

const once = (name: string): CallName => ({ name, repeats: false });
const often = (name: string): CallName => ({ name, repeats: true });

/** A DynamoDB item, or anything inside one, as the wire has it. */
type Item = Readonly<Record<string, unknown>>;

const isItem = (value: unknown): value is Item => typeof value === 'object' && value !== null;

/** Follows member names; undefined where there is none. */
function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((part, name) => (isItem(part) ? part[name] : undefined), value);
}

function stepTimes(item: Item): Map<string, string> {
  const times = new Map<string, string>();
  for (const action of ['launch', 'terminate']) {
    const steps = at(item, action, 'M', 'times', 'M');
    for (const step of isItem(steps) ? Object.keys(steps) : []) {
      times.set(`${action} ${step}`, String(at(steps, step, 'N')));
    }
  }
  return times;
}

const text = (item: Item | undefined, name: string): string => JSON.stringify(item?.[name] ?? '');

/** Steps whose times travel with a write that is made for another reason. */
const travels = / (node|probe|join|leave|complete)$/;

/** What a write of a membership changes. */
function changeOf(item: Item, before: Item | undefined): CallName {
  const call = 'dynamodb:PutItem';
  if (['instanceId', 'fencingToken'].some((name) => text(item, name) !== text(before, name))) {
    return once(`${call} takes the lease`);
  }
  if (item['leaseOwner'] === undefined) return once(`${call} gives the lease back`);
  const known = before ? stepTimes(before) : new Map<string, string>();
  for (const [step, time] of stepTimes(item)) {
    if (known.get(step) !== time && !travels.test(step)) return once(`${call} ${step}`);
  }
  if (item['stagingBegan'] !== undefined && text(item, 'stagingBegan') !== text(before, 'stagingBegan')) {
    return once(`${call} intends to stage`);
  }
  const changed = Object.keys(item).filter(
    (name) =>
      !['leaseExpiresAt', 'launch', 'terminate'].includes(name) && text(item, name) !== text(before, name),
  );
  return changed.length > 0 ? once(`${call} ${changed.join(', ')}`) : often(`${call} renews the lease`);
}

const isMembership = (key: unknown): boolean => typeof key === 'string' && key.startsWith('i-');

export function createNames(options: NamesOptions): Names {
  const purposes = new Map(Object.entries(options.documents).map(([purpose, name]) => [name, purpose]));
  let lastWritten: Item | undefined;
  let lastPurpose = '';
  let admitted = false;

  return {
    aws({ action, input }) {
      switch (action) {
        case 'sqs:ReceiveMessage':
          return often(action);
        case 'sqs:ChangeMessageVisibility':
          return often(`${action} renews`);
        case 'autoscaling:RecordLifecycleActionHeartbeat': {
          if (admitted) return often(`${action} renews`);
          admitted = true;
          return once(`${action} admits`);
        }
        case 'ssm:SendCommand':
          lastPurpose = purposes.get(String(input['DocumentName'])) ?? '';
          return once(`${action} ${lastPurpose}`);
        case 'ssm:ListCommandInvocations':
          return often(`${action} ${lastPurpose}`);
        case 'ssm:DescribeInstanceInformation':
          return often(action);
        case 'dynamodb:GetItem':
          return once(
            `${action} ${isMembership(at(input, 'Key', 'instanceId', 'S')) ? 'membership' : 'refused credential'}`,
          );
        case 'dynamodb:PutItem': {
          const item = input['Item'];
          if (!isItem(item) || !isMembership(at(item, 'instanceId', 'S')))
            return once(`${action} refused credential`);
          return changeOf(item, lastWritten);
        }
        default:
          return once(action);
      }
    },
    ldap({ operation, target, filter }) {
      const place = target.endsWith(options.baseDn)
        ? target.slice(0, -options.baseDn.length).replace(/,$/, '')
        : target;
      switch (operation) {
        case 'search': {
          const by = filter.length > 0 ? ` by ${[...new Set(filter)].join(', ')}` : '';
          const where = target === '' ? 'the root entry' : place === '' ? 'the domain' : place;
          // Names of accounts and records differ from run to run.
          const zone = where
            .replace(/^DC=[^,]+,(?=DC=.*CN=MicrosoftDNS)/, 'a name in ')
            .replace(/^<GUID=.*/, 'an account')
            .replace(/^CN=[^,]+(?=,OU=)/, 'an account');
          return once(`ldap:search ${zone}${by}`);
        }
        case 'modify':
          return once(target.includes('CN=MicrosoftDNS') ? 'ldap:remove DNS record' : 'ldap:modify');
        case 'delete':
          return once(target.includes('CN=MicrosoftDNS') ? 'ldap:delete tombstone' : 'ldap:delete account');
        default:
          return once(`ldap:${operation}`);
      }
    },
    written({ input }) {
      const item = input['Item'];
      if (isItem(item) && isMembership(at(item, 'instanceId', 'S'))) lastWritten = item;
    },
    reset() {
      lastPurpose = '';
      admitted = false;
    },
  };
}
