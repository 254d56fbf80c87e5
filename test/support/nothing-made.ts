/** A deployment that makes nothing: what is left of it are CloudFormation's own work and the limits of AWS. */
import { deploy, type DeployedStack } from '../../infra/sandbox/stack/deploy.ts';
import type { ResourceType, ResourceTypes, Target } from '../../infra/sandbox/stack/resource-type.ts';

/** With answers as long as AWS makes them. */
const anyType: ResourceType = {
  applied: 'all',
  create: ({ logicalId, type, properties }) => {
    const names = Object.entries(properties).filter(([key]) => key.endsWith('Name') && key !== 'ServiceName');
    const name = typeof names[0]?.[1] === 'string' ? names[0][1] : logicalId;
    const arn = `arn:aws-us-gov:service:ap-southeast-1:123456789012:${name}`;
    const isByArn = /ManagedPolicy|Secret$|Topic$/.test(type);
    return {
      ref: isByArn
        ? arn
        : type.endsWith('Queue')
          ? `https://sqs.ap-southeast-1.amazonaws.com/123456789012/${name}`
          : name,
      lists: { DnsEntries: [`Z0123456789ABCD:vpce-0123456789abcdef0-0abcdefg.${name}.vpce.amazonaws.com`] },
      attributes: new Proxy<Record<string, string>>({}, { get: (_, key) => (key === 'Arn' ? arn : name) }),
    };
  },
  delete: () => undefined,
};

export const anyTypes: ResourceTypes = new Proxy<Record<string, ResourceType>>({}, { get: () => anyType });

function unreachable(): never {
  throw new Error('Nothing is made here.');
}

/** @throws what CloudFormation or a service would refuse */
export async function deployNothing(
  template: unknown,
  parameters: Readonly<Record<string, string>> = {},
): Promise<DeployedStack> {
  const clients = new Proxy<Target['clients']>(Object.create(null), { get: unreachable });
  const cloud = new Proxy<Target['cloud']>(Object.create(null), { get: unreachable });
  return deploy({
    name: 'stack',
    template: typeof template === 'string' ? template : JSON.stringify(template),
    parameters,
    types: anyTypes,
    target: {
      region: 'ap-southeast-1',
      accountId: '123456789012',
      clients,
      cloud,
      remembered: new Set(),
      hex: (digits) => '0'.repeat(digits),
    },
  });
}
