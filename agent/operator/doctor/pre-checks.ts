/** What can be known before there is a stack. What only the workers' place shows is said to be so, and is no failure. */
import { GATEWAY_PARAMETERS, INTERFACE_PARAMETERS } from '../../../config/endpoint-parameters.ts';
import { type Check, failed, passed, skipped } from '../../checks/check.ts';
import { asAdjoinError } from '../../errors.ts';
import type { PrePorts } from './pre-ports.ts';

type PreCheck = Check<PrePorts>;

const SETTINGS = 'before: settings';
const ACCOUNT = 'before: account';
const NETWORK = 'before: network';
const DIRECTORY = 'before: directory, from here';

/** Milliseconds by which AWS lets a request's time be wrong. */
const MOST_SKEW_MS = 300_000;

const settingsChecks: readonly PreCheck[] = [
  {
    id: 'settings',
    category: SETTINGS,
    title: 'all that has no default is said, or can be found',
    severity: 'warning',
    todo: 'Say it in adjoin.json, or answer when `adjoin deploy` asks.',
    actions: [
      'cloudformation:DescribeStacks',
      'ec2:DescribeManagedPrefixLists',
      'ec2:DescribeSubnets',
      'ec2:DescribeVpcEndpoints',
    ],
    async look({ missing, notes }) {
      return missing.length === 0 ? passed() : failed(`${missing.join(', ')}. ${notes.join(' ')}`.trim());
    },
  },
  {
    id: 'values',
    category: SETTINGS,
    title: 'the template takes every value',
    severity: 'fatal',
    todo: 'Correct them in adjoin.json: CloudFormation would refuse them.',
    actions: [],
    look: async ({ faults }) => (faults.length === 0 ? passed() : failed(faults.join(' '))),
  },
  {
    id: 'contradictions',
    category: SETTINGS,
    title: 'the parameters do not contradict each other',
    severity: 'fatal',
    todo: 'Correct them in adjoin.json: CloudFormation would refuse them.',
    actions: [],
    look: async ({ contradictions }) =>
      contradictions.length === 0 ? passed() : failed(contradictions.join(' ')),
  },
];

/** What names the role of a session, or the user itself, in ARNs of IAM. */
function principalOf(arn: string): string {
  const [, role] = /:assumed-role\/([^/]+)\//.exec(arn) ?? [];
  return role === undefined ? (arn.split(':').at(-1) ?? '') : `role/${role}`;
}

/** An ARN of IAM has a path that a session's ARN has lost. */
const names = (listed: string, principal: string): boolean => {
  const [kind = '', ...rest] = (listed.split(':').at(-1) ?? '').split('/');
  return principal === (kind === 'role' ? `role/${rest.at(-1) ?? ''}` : (listed.split(':').at(-1) ?? ''));
};

const accountChecks: readonly PreCheck[] = [
  {
    id: 'caller',
    category: ACCOUNT,
    title: 'AWS accepts your credentials',
    severity: 'fatal',
    todo: 'Sign in to the account that the stack is for.',
    actions: [],
    async look({ identity, region }, signal) {
      const { account, arn } = await identity(signal);
      return passed(`${principalOf(arn)} of the account ${account}, in ${region}`);
    },
  },
  {
    id: 'caller-clock',
    category: ACCOUNT,
    title: 'the clock of this computer is near enough to that of AWS',
    severity: 'warning',
    todo: 'Set the clock, or have it set by NTP: AWS refuses requests that are five minutes off.',
    actions: [],
    needs: ['caller'],
    async look({ identity }, signal) {
      const { skewMs } = await identity(signal);
      if (skewMs === undefined) return skipped('the answer of AWS has no date');
      const off = Math.round(Math.abs(skewMs) / 1000);
      return Math.abs(skewMs) < MOST_SKEW_MS ? passed() : failed(`It is ${off} s away from AWS's.`);
    },
  },
  {
    id: 'administrator',
    category: ACCOUNT,
    title: 'you deploy as one of AdministratorArns',
    severity: 'fatal',
    todo: 'List the role that deploys in AdministratorArns, or deploy as one that is listed: to no other does KMS give the keys that the stack makes.',
    actions: [],
    needs: ['caller'],
    async look({ identity, wanted }, signal) {
      const listed = wanted('AdministratorArns')
        .split(',')
        .map((each) => each.trim())
        .filter((each) => each !== '');
      if (listed.length === 0) return skipped('AdministratorArns is not said');
      const { arn } = await identity(signal);
      const principal = principalOf(arn);
      return listed.some((each) => names(each, principal))
        ? passed(principal)
        : failed(`You are ${principal}; it lists ${listed.join(', ')}.`);
    },
  },
  {
    id: 'stack',
    category: ACCOUNT,
    title: 'no stack of this name stands in the way',
    severity: 'fatal',
    todo: 'Look at its events, mend what failed or delete it, and try again.',
    actions: ['cloudformation:DescribeStacks'],
    needs: ['caller'],
    async look({ stackStatus }, signal) {
      const status = await stackStatus(signal);
      if (status === undefined || status === 'REVIEW_IN_PROGRESS') return passed('there is none');
      if (status.endsWith('_FAILED')) return failed(`It is ${status}.`);
      return passed(`it is ${status}: deploy goes on from there`);
    },
  },
  {
    id: 'bucket',
    category: ACCOUNT,
    title: 'the bucket for the agent is there, in this Region',
    severity: 'fatal',
    todo: 'Make a bucket in this Region, or name another one in adjoin.json.',
    actions: ['s3:ListBucket'],
    needs: ['caller'],
    async look({ bucket, bucketRegion, region }, signal) {
      if (bucket === undefined) return skipped('no bucket is said');
      const found = await bucketRegion(bucket, signal);
      if (found === undefined) return failed(`There is no bucket ${bucket}.`);
      return found === region ? passed(bucket) : failed(`${bucket} is in ${found}.`);
    },
  },
];

const networkChecks: readonly PreCheck[] = [
  {
    id: 'vpc',
    category: NETWORK,
    title: 'the VPC is there, and has DNS support and DNS host names',
    severity: 'fatal',
    todo: 'Compare VpcId and Region. Turn enableDnsSupport and enableDnsHostnames on: without them, endpoints have no private names.',
    actions: ['ec2:DescribeVpcs', 'ec2:DescribeVpcAttribute'],
    needs: ['caller'],
    async look({ vpc, wanted }, signal) {
      const id = wanted('VpcId');
      if (id === '') return skipped('VpcId is not said');
      const found = await vpc(id, signal);
      if (!found) return failed(`There is no VPC ${id} here.`);
      const off = [
        ...(found.dnsSupport ? [] : ['enableDnsSupport']),
        ...(found.dnsHostnames ? [] : ['enableDnsHostnames']),
      ];
      return off.length === 0 ? passed(id) : failed(`${off.join(' and ')} of ${id} is off.`);
    },
  },
  {
    id: 'vpc-names',
    category: NETWORK,
    title: 'the VPC asks its own DNS server',
    severity: 'warning',
    todo: "Have those servers forward amazonaws.com to the VPC's resolver. The set-up of a worker tests each endpoint's name, and says which is not found.",
    actions: ['ec2:DescribeVpcs', 'ec2:DescribeDhcpOptions'],
    needs: ['vpc'],
    async look({ nameServers, wanted }, signal) {
      const found = await nameServers(wanted('VpcId'), signal);
      return found.includes('AmazonProvidedDNS')
        ? passed()
        : failed(`Its DHCP options name ${found.join(', ')}: the names of endpoints are asked there.`);
    },
  },
  {
    id: 'worker-subnets',
    category: NETWORK,
    title: 'the two subnets are in the VPC, and in two zones',
    severity: 'fatal',
    todo: 'Name two private subnets of this VPC in two zones, as SubnetA and SubnetB.',
    actions: ['ec2:DescribeSubnets'],
    needs: ['vpc'],
    async look({ subnets, wanted }, signal) {
      const ids = [wanted('SubnetA'), wanted('SubnetB')];
      if (ids.includes('')) return skipped('SubnetA and SubnetB are not said');
      const all = await subnets(wanted('VpcId'), signal);
      const found = ids.flatMap((id) => all.find((each) => each.id === id) ?? []);
      const absent = ids.filter((id) => !found.some((each) => each.id === id));
      if (absent.length > 0) return failed(`${absent.join(', ')}: not in this VPC.`);
      const zones = new Set(found.map(({ zone }) => zone));
      return zones.size === 2 ? passed([...zones].join(', ')) : failed(`Both are in ${[...zones].join()}.`);
    },
  },
  {
    id: 'private-subnets',
    category: NETWORK,
    title: 'no way leads from the subnets to the internet',
    severity: 'warning',
    todo: 'Choose subnets without a route to an internet gateway, and which give no public addresses: workers need none.',
    actions: ['ec2:DescribeSubnets', 'ec2:DescribeRouteTables'],
    needs: ['worker-subnets'],
    async look({ subnets, waysOut, wanted }, signal) {
      const ids = [wanted('SubnetA'), wanted('SubnetB')];
      const vpcId = wanted('VpcId');
      const open = (await waysOut(vpcId, ids, signal)).flatMap(({ subnetId, gateway }) =>
        gateway === undefined ? [] : [`${subnetId} has a route to ${gateway}.`],
      );
      const addressed = (await subnets(vpcId, signal)).flatMap(({ id, isPublic }) =>
        ids.includes(id) && isPublic ? [`${id} gives public addresses.`] : [],
      );
      const said = [...open, ...addressed];
      return said.length === 0 ? passed() : failed(said.join(' '));
    },
  },
  {
    id: 'wanted-endpoints',
    category: NETWORK,
    title: 'endpoints that are to be used are there, and those that are to be made are not',
    severity: 'fatal',
    todo: 'Set each Endpoint… parameter to `existing` where the VPC has the endpoint, with private DNS, and to `create` where it has none.',
    actions: ['ec2:DescribeVpcEndpoints'],
    needs: ['vpc', 'stack'],
    async look({ endpoints, stackStatus, wanted }, signal) {
      const status = await stackStatus(signal);
      if (status !== undefined && status !== 'REVIEW_IN_PROGRESS')
        return skipped('the stack is there, and may have made some');
      if (wanted('EndpointVpcId') !== '') return skipped('they are in another VPC');
      const present = new Set((await endpoints(wanted('VpcId'), signal)).map(({ service }) => service));
      const services = Object.entries({ ...INTERFACE_PARAMETERS, ...GATEWAY_PARAMETERS });
      const wrong = services.flatMap(([service, parameter]) => {
        const isThere = present.has(service);
        if (wanted(parameter) === 'existing' && !isThere) return [`There is none of ${service}.`];
        if (wanted(parameter) === 'create' && isThere) return [`There is one of ${service} already.`];
        return [];
      });
      const made = services.filter(([, parameter]) => wanted(parameter) === 'create').length;
      return wrong.length === 0
        ? passed(`${made} made, ${services.length - made} used`)
        : failed(wrong.join(' '));
    },
  },
  {
    id: 'prefix-lists',
    category: NETWORK,
    title: 'the prefix lists are those of S3 and DynamoDB in this Region',
    severity: 'fatal',
    todo: 'Leave S3PrefixListId and DynamoDbPrefixListId out of adjoin.json: they are found.',
    actions: ['ec2:DescribeManagedPrefixLists'],
    needs: ['caller'],
    async look({ prefixList, wanted }, signal) {
      const wrong: string[] = [];
      for (const [service, parameter] of [
        ['s3', 'S3PrefixListId'],
        ['dynamodb', 'DynamoDbPrefixListId'],
      ] as const) {
        const id = await prefixList(service, signal);
        if (wanted(parameter) !== id)
          wrong.push(
            `${parameter} is ${wanted(parameter) || 'not said'}, and that of ${service} ${id ?? 'is not there'}.`,
          );
      }
      return wrong.length === 0 ? passed() : failed(wrong.join(' '));
    },
  },
];

const THERE = 'workers see it from the VPC, where `adjoin doctor --ask-worker` looks later';

const directoryChecks: readonly PreCheck[] = [
  {
    id: 'controllers-from-here',
    category: DIRECTORY,
    title: 'DNS names the domain controllers',
    severity: 'warning',
    todo: 'Have the names of the domain resolved: a Route 53 Resolver rule or a DHCP option set in the VPC. Or name the controllers (DirectoryControllers).',
    actions: [],
    async look({ controllers, domain }, signal) {
      if (domain === undefined) return skipped('the domain is not said: --domain');
      try {
        const found = await controllers(domain, signal);
        return found.length > 0 ? passed(found.join(', ')) : failed('DNS names none.');
      } catch (error) {
        signal.throwIfAborted();
        return skipped(`${asAdjoinError(error).message} ${THERE}`);
      }
    },
  },
  {
    id: 'ldaps-from-here',
    category: DIRECTORY,
    title: 'every controller answers on LDAPS, with a certificate of the authority in directoryCa',
    severity: 'fatal',
    todo: 'Give the PEM file of the authority that signed the certificates of the controllers as directoryCa. Each certificate must bear the name of its controller.',
    actions: [],
    needs: ['controllers-from-here'],
    async look({ controllers, domain = '', reach }, signal) {
      const found = await controllers(domain, signal);
      const wrong: string[] = [];
      const silent: string[] = [];
      for (const each of found) {
        try {
          await reach(each, signal);
        } catch (error) {
          signal.throwIfAborted();
          const known = asAdjoinError(error);
          // One that does not answer here may well answer there; a certificate is the same everywhere.
          (known.code === 'directory-untrusted' ? wrong : silent).push(known.message);
        }
      }
      if (wrong.length > 0) return failed(wrong.join(' '));
      return silent.length === found.length
        ? skipped(`none answers here: ${THERE}`)
        : passed(`${found.length - silent.length} of ${found.length}`);
    },
  },
];

export const preChecks: readonly PreCheck[] = [
  ...settingsChecks,
  ...accountChecks,
  ...networkChecks,
  ...directoryChecks,
];
