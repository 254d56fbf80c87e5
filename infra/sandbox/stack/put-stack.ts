/** Deploys a stack by the calls that `aws cloudformation deploy` makes, with the template in a bucket. */
import {
  CloudFormationClient,
  CreateChangeSetCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  paginateDescribeStackEvents,
  type StackEvent,
} from '@aws-sdk/client-cloudformation';
import type { Buckets } from '../cloud/s3/buckets.ts';
import { nameOf } from '../cloud/names.ts';
import type { ClientConfig } from './client-config.ts';
import { askByName } from './cloudformation/parts.ts';
import { TemplateError } from './template.ts';

export interface StackWish {
  readonly name: string;
  /** As text. */
  readonly template: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** Deploys under AWS's own names: what the stack's resources are called by, such as a queue, leads there. Default: at the endpoint. */
  readonly byName?: boolean;
}

const bucket = 'sandbox-templates';
/** A stack takes less than a second here. */
const pollMs = 20;

/** @throws TemplateError with the reason of the first resource that could not be made */
export async function putStack(
  { name, template, parameters, byName = false }: StackWish,
  deployer: ClientConfig,
  buckets: Buckets,
): Promise<void> {
  if (!buckets.names().includes(bucket)) buckets.create(bucket);
  const { key } = buckets.put(bucket, `${name}.json`, Buffer.from(template), 'application/json');
  const client = new CloudFormationClient({ ...deployer, maxAttempts: 1 });
  // A look may be repeated: a busy machine loses a connection that it lets lie.
  const looking = new CloudFormationClient(deployer);
  for (const each of byName ? [client, looking] : [])
    askByName(each, nameOf('cloudformation', deployer.region));
  const origin = byName ? `https://${nameOf('s3', deployer.region)}` : deployer.endpoint;
  const at = { StackName: name, ChangeSetName: 'sandbox' };
  try {
    await client.send(
      new CreateChangeSetCommand({
        ...at,
        ChangeSetType: 'CREATE',
        TemplateURL: `${origin}/${bucket}/${key}`,
        Capabilities: ['CAPABILITY_NAMED_IAM'],
        Parameters: Object.entries(parameters).map(([ParameterKey, ParameterValue]) => ({
          ParameterKey,
          ParameterValue,
        })),
      }),
    );
    await client.send(new ExecuteChangeSetCommand(at));
    for (;;) {
      const { Stacks } = await looking.send(new DescribeStacksCommand({ StackName: name }));
      const status = Stacks?.[0]?.StackStatus ?? '';
      if (status === 'CREATE_COMPLETE') return;
      if (!status.endsWith('_IN_PROGRESS')) throw await failure(looking, name, status);
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  } finally {
    client.destroy();
    looking.destroy();
  }
}

async function failure(
  client: CloudFormationClient,
  StackName: string,
  status: string,
): Promise<TemplateError> {
  let failed: StackEvent | undefined;
  // The newest come first: what failed first is on the last page that has any.
  for await (const { StackEvents = [] } of paginateDescribeStackEvents({ client }, { StackName }))
    failed = StackEvents.findLast(({ ResourceStatus }) => ResourceStatus === 'CREATE_FAILED') ?? failed;
  return new TemplateError(
    `${StackName} is ${status}: ${failed?.LogicalResourceId}: ${failed?.ResourceStatusReason}`,
  );
}
