/**
 * What only a worker can look at, for it alone has the network, the role and the credential: the services that it calls, the domain
 * controllers, and the service account's rights. The rights are tried one by one on an account of an instance that does not exist, in
 * the organizational unit, and undone. If a worker dies in between, that account is an orphan like any other, and the sweep removes it.
 */
import { type Check, failed, type Finding, passed, runChecks, type RunOptions, skipped } from './check.ts';

/** One account that is made to try rights, and removed. */
export interface Trial {
  /** Creates it, reads it back. @returns its name and the controller that took it */
  create(signal: AbortSignal): Promise<string>;
  /** Sets its password again. */
  reset(signal: AbortSignal): Promise<void>;
  /** Disables it. */
  disable(signal: AbortSignal): Promise<void>;
  /** Deletes it. */
  remove(signal: AbortSignal): Promise<void>;
  /** Deletes it if it is still there. Never rejects: what stays is the sweep's. */
  undo(): Promise<void>;
}

export interface PlacePorts {
  /** A harmless call to each service that the worker needs, by the service's name. */
  readonly services: ReadonlyMap<string, (signal: AbortSignal) => Promise<void>>;
  /** Milliseconds that this clock is ahead of AWS's, or behind it; nothing when no answer said its time. */
  readonly skewMs: () => number | undefined;
  /** Reads the secret and its format. @returns its version */
  readonly readSecret: (signal: AbortSignal) => Promise<string>;
  /** Names of the controllers that are configured, or that DNS names for the domain. */
  readonly controllers: (signal: AbortSignal) => Promise<readonly string[]>;
  /** Opens a TLS connection, verifies the chain, and reads the root entry. */
  readonly reach: (controller: string, signal: AbortSignal) => Promise<void>;
  /** Logs on, and finds the organizational unit. @returns the domain */
  readonly logOn: (signal: AbortSignal) => Promise<string>;
  readonly trial: Trial;
  /**
   * The rights on DNS records of instances that the directory does not give; nothing when no instance has registered a name yet, so
   * that there is nothing to ask about.
   */
  readonly missingDnsRights: (signal: AbortSignal) => Promise<readonly string[] | undefined>;
  readonly cleansDns: boolean;
}

type PlaceCheck = Check<PlacePorts>;

/** Milliseconds. Kerberos, which the nodes join with, takes five minutes (MaxClockSkew), and AWS no more. */
const MOST_SKEW_MS = 60_000;

const CATEGORY = "worker's place";

/** What the agent calls, as endpoints are named. */
export const SERVICES = ['sqs', 'autoscaling', 'ec2', 'ssm', 'dynamodb'] as const;

const serviceCheck = (service: (typeof SERVICES)[number]): PlaceCheck => ({
  id: `endpoint-${service}`,
  category: CATEGORY,
  title: `${service} answers the worker`,
  severity: 'fatal',
  todo: `Check the VPC endpoint of ${service}: that its name resolves to it (private DNS), that its security group lets workers in on 443, and that its policy lets them pass.`,
  actions: [],
  async look({ services }, signal) {
    await services.get(service)?.(signal);
    return passed();
  },
});

const all = 'Delegate the rights as docs/deploy.md says (In the directory).';

export const placeChecks: readonly PlaceCheck[] = [
  ...SERVICES.map(serviceCheck),
  {
    id: 'worker-clock',
    category: CATEGORY,
    title: "the worker's clock is right",
    severity: 'warning',
    todo: 'Check chrony on the worker: Amazon Time Sync answers at 169.254.169.123 without any network.',
    actions: [],
    async look({ skewMs }) {
      const skew = skewMs();
      if (skew === undefined) return skipped('no answer of AWS said its time');
      const seconds = Math.round(Math.abs(skew) / 1000);
      return Math.abs(skew) < MOST_SKEW_MS ? passed() : failed(`It is ${seconds} s away from AWS's.`);
    },
  },
  {
    id: 'secret-readable',
    category: CATEGORY,
    title: 'the worker reads the secret, and its values have the right form',
    severity: 'fatal',
    todo: 'Put the values again, as docs/deploy.md shows (Put the credential).',
    actions: [],
    look: async ({ readSecret }, signal) => passed(`version ${await readSecret(signal)}`),
  },
  {
    id: 'controllers',
    category: CATEGORY,
    title: 'domain controllers are found',
    severity: 'fatal',
    todo: 'The VPC must resolve the names of the domain: a Route 53 Resolver rule, or a DHCP option set. Or name the controllers (DirectoryControllers).',
    actions: [],
    needs: ['secret-readable'],
    async look({ controllers }, signal) {
      const found = await controllers(signal);
      return found.length > 0 ? passed(found.join(', ')) : failed('DNS names none.');
    },
  },
  {
    id: 'ldaps',
    category: CATEGORY,
    title: 'every controller answers on LDAPS, with a certificate that is trusted',
    severity: 'warning',
    todo: 'Check port 636 between the workers and each controller, and that ca.pem has the authority of its certificate.',
    actions: [],
    needs: ['controllers'],
    async look({ controllers, reach }, signal) {
      const found = await controllers(signal);
      const outcomes = await Promise.allSettled(found.map((each) => reach(each, signal)));
      const wrong = outcomes.flatMap((each) =>
        each.status === 'rejected'
          ? [each.reason instanceof Error ? each.reason.message : String(each.reason)]
          : [],
      );
      return wrong.length === 0 ? passed(`${found.length}`) : failed(wrong.join(' '));
    },
  },
  {
    id: 'log-on',
    category: CATEGORY,
    title: 'the service account logs on, and its organizational unit is there',
    severity: 'fatal',
    todo: 'Put the right values, as docs/deploy.md shows (Put the credential).',
    actions: [],
    needs: ['controllers'],
    look: async ({ logOn }, signal) => passed(await logOn(signal)),
  },
  {
    id: 'right-create',
    category: CATEGORY,
    title: 'right: to create a computer in the unit, and to read it back',
    severity: 'fatal',
    todo: all,
    actions: [],
    needs: ['log-on'],
    look: async ({ trial }, signal) => passed(await trial.create(signal)),
  },
  {
    id: 'right-reset',
    category: CATEGORY,
    title: 'right: to reset the password of a computer',
    severity: 'fatal',
    todo: all,
    actions: [],
    needs: ['right-create'],
    async look({ trial }, signal) {
      await trial.reset(signal);
      return passed();
    },
  },
  {
    id: 'right-disable',
    category: CATEGORY,
    title: 'right: to disable a computer',
    severity: 'fatal',
    todo: all,
    actions: [],
    needs: ['right-create'],
    async look({ trial }, signal) {
      await trial.disable(signal);
      return passed();
    },
  },
  {
    id: 'right-delete',
    category: CATEGORY,
    title: 'right: to delete a computer',
    severity: 'fatal',
    todo: `${all} The account that was made for the trial is still there; the sweep removes it once it may.`,
    actions: [],
    needs: ['right-create'],
    async look({ trial }, signal) {
      await trial.remove(signal);
      return passed();
    },
  },
  {
    id: 'right-dns',
    category: CATEGORY,
    title: 'right: to remove the DNS records of instances',
    severity: 'warning',
    todo: `${all} Without it names lead to addresses of dead instances. Where others clean the zone, say DnsCleanup=none.`,
    actions: [],
    needs: ['log-on'],
    async look({ cleansDns, missingDnsRights }, signal) {
      if (!cleansDns) return skipped('others clean the zone (directory.dnsCleanup)');
      const missing = await missingDnsRights(signal);
      if (missing === undefined) return skipped('no instance has registered a name yet');
      return missing.length === 0 ? passed() : failed(`It may not write ${missing.join(' and ')}.`);
    },
  },
];

/** Milliseconds that one look may take: a controller that is down costs two time-outs before the next one is asked. */
const LOOK_MS = 45_000;

/** Looks at all of it, and undoes what it has made, also when it is stopped in the middle. @throws the signal's reason */
export async function checkPlace(
  place: PlacePorts,
  options: Pick<RunOptions, 'clock' | 'signal' | 'onFinding'>,
): Promise<Finding[]> {
  try {
    return await runChecks(placeChecks, place, { ...options, limitMs: LOOK_MS, denied: 'failed' });
  } finally {
    await place.trial.undo();
  }
}

/** All of these as not looked at. */
export const placeFindings = (why: string): Finding[] =>
  placeChecks.map(({ id, category, title, severity }) => ({
    id,
    category,
    title,
    severity,
    state: 'skipped',
    text: why,
  }));
