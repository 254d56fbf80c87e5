/**
 * Finds what parameters can be known from the VPC, for a stack that is not there yet. Of one that is there nothing is looked for: it
 * would take its own endpoints for others'. What can't be found out is left to the person, with what was seen.
 */
import {
  ENDPOINT_GROUP_PARAMETERS,
  GATEWAY_PARAMETERS,
  INTERFACE_PARAMETERS,
} from '../../../config/endpoint-parameters.ts';
import { AdjoinError } from '../../errors.ts';
import type { NetworkPort, Subnet } from './ports.ts';

/** Parameters by the service of the endpoint. */
const ENDPOINTS: Readonly<Record<string, string>> = { ...INTERFACE_PARAMETERS, ...GATEWAY_PARAMETERS };
const isGateway = (service: string): boolean => Object.hasOwn(GATEWAY_PARAMETERS, service);
const GROUPS: readonly string[] = ENDPOINT_GROUP_PARAMETERS;

export interface Found {
  readonly values: ReadonlyMap<string, string>;
  /** What a person should know of what was found, and of what was not. */
  readonly notes: readonly string[];
}

const isHandled = (known: ReadonlyMap<string, string>, names: readonly string[]): boolean =>
  names.some((name) => known.has(name));

/** One private subnet in each of two zones is no choice; anything else is the person's. */
function chooseSubnets(all: readonly Subnet[]): readonly [string, string] | undefined {
  const inner = all.filter(({ isPublic }) => !isPublic);
  const [first, second, ...more] = inner;
  if (!first || !second || more.length > 0 || first.zone === second.zone) return undefined;
  return [first.id, second.id];
}

/** @param known values that are given: none of them is looked for */
export async function findParameters(
  known: ReadonlyMap<string, string>,
  network: NetworkPort,
  signal: AbortSignal,
): Promise<Found> {
  const values = new Map<string, string>();
  const notes: string[] = [];
  const valueOf = (name: string): string => values.get(name) ?? known.get(name) ?? '';
  const look = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof AdjoinError)) throw error;
      notes.push(`${what} could not be looked at: ${error.message}`);
    }
  };

  for (const [service, name] of [
    ['s3', 'S3PrefixListId'],
    ['dynamodb', 'DynamoDbPrefixListId'],
  ] as const) {
    if (known.has(name)) continue;
    await look(`The prefix list of ${service}`, async () => {
      const id = await network.prefixList(service, signal);
      if (id !== undefined) values.set(name, id);
    });
  }

  const vpcId = valueOf('VpcId');
  if (vpcId === '') return { values, notes };

  if (!isHandled(known, ['SubnetA', 'SubnetB'])) {
    await look(`The subnets of ${vpcId}`, async () => {
      const subnets = await network.subnets(vpcId, signal);
      const chosen = chooseSubnets(subnets);
      if (chosen) {
        values.set('SubnetA', chosen[0]);
        values.set('SubnetB', chosen[1]);
        return;
      }
      const shown = subnets.map(
        ({ id, zone, cidr, isPublic }) => `${id} (${zone}, ${cidr}${isPublic ? ', public' : ''})`,
      );
      notes.push(`${vpcId} has these subnets, choose two private ones: ${shown.join(', ') || 'none'}.`);
    });
  }

  if (!isHandled(known, [...Object.values(ENDPOINTS), ...GROUPS, 'EndpointCidr'])) {
    await look(`The endpoints of ${vpcId}`, async () => {
      const present = await network.endpoints(vpcId, signal);
      const services = new Set(present.map(({ service }) => service));
      for (const [service, name] of Object.entries(ENDPOINTS))
        values.set(name, services.has(service) ? 'existing' : 'create');
      const used = present.filter(({ service }) => service in ENDPOINTS && !isGateway(service));
      const groups = [...new Set(used.flatMap(({ securityGroups }) => securityGroups.slice(0, 1)))];
      if (groups.length > GROUPS.length)
        notes.push(
          `The endpoints of ${vpcId} have ${groups.length} security groups, and the stack takes three: ${groups.join(', ')}.`,
        );
      else for (const [place, id] of groups.entries()) values.set(GROUPS[place] ?? '', id);
    });
  }

  const makesGateway = Object.values(GATEWAY_PARAMETERS).some((name) => valueOf(name) === 'create');
  const subnetIds = [valueOf('SubnetA'), valueOf('SubnetB')].filter((id) => id !== '');
  if (makesGateway && !known.has('RouteTableIds') && subnetIds.length > 0) {
    await look(`The route tables of ${vpcId}`, async () => {
      const ids = await network.routeTables(vpcId, subnetIds, signal);
      if (ids.length > 0) values.set('RouteTableIds', ids.join(','));
    });
  }
  return { values, notes };
}
