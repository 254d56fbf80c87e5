/** The synthesized template with its intrinsic functions resolved, as if it had been deployed; nothing is made. */
import { createHash } from 'node:crypto';
import type { DeployedResource } from '../../../infra/sandbox/iam/from-template.ts';
import {
  evaluateCondition,
  evaluateMap,
  type Created,
  type Scope,
} from '../../../infra/sandbox/stack/evaluate.ts';
import { creationOrder } from '../../../infra/sandbox/stack/order.ts';
import { resolveParameters } from '../../../infra/sandbox/stack/parameters.ts';
import { synthesis } from '../../../infra/sandbox/stack/synthesis.ts';
import { parseTemplate, TemplateError, type JsonMap } from '../../../infra/sandbox/stack/template.ts';

export interface Synthesized {
  /** JSON. */
  readonly template: string;
}

export async function synthesized(): Promise<Synthesized> {
  const { template } = await synthesis();
  return { template };
}

export interface Place {
  readonly region: string;
  readonly accountId: string;
}

/** Every resource whose condition holds, with made-up IDs that follow from its logical ID. */
export function resolved(
  text: string,
  parameters: Readonly<Record<string, string>>,
  place: Place,
): DeployedResource[] {
  const template = parseTemplate(text);
  const created = new Map<string, Created>();
  const scope: Scope = {
    place,
    stackName: 'adjoin',
    parameters: resolveParameters(template.parameters, parameters),
    mappings: template.mappings,
    created,
    condition(name) {
      const expression = template.conditions[name];
      if (expression === undefined) throw new TemplateError(`There is no condition ${name}.`);
      return evaluateCondition(expression, scope);
    },
  };
  return creationOrder(template.resources).flatMap((logicalId) => {
    const definition = template.resources.get(logicalId);
    if (!definition || (definition.condition !== undefined && !scope.condition(definition.condition)))
      return [];
    const properties = evaluateMap(definition.properties, scope);
    const { type } = definition;
    const answer = named(type, logicalId, properties, place);
    created.set(logicalId, answer);
    return [{ logicalId, type, properties, ...answer }];
  });
}

function named(type: string, logicalId: string, properties: JsonMap, { region, accountId }: Place): Created {
  const arn = (service: string, resource: string) => `arn:aws:${service}:${region}:${accountId}:${resource}`;
  const hash = createHash('sha256').update(logicalId).digest('hex');
  const name = (property: string) => {
    const given = properties[property];
    return typeof given === 'string' ? given : `${logicalId}-${hash.slice(0, 12)}`;
  };
  switch (type) {
    case 'AWS::SQS::Queue': {
      const queue = name('QueueName');
      const url = `https://sqs.${region}.amazonaws.com/${accountId}/${queue}`;
      return withArn(url, arn('sqs', queue), { QueueName: queue, QueueUrl: url });
    }
    case 'AWS::DynamoDB::Table':
      return withArn(name('TableName'), arn('dynamodb', `table/${name('TableName')}`));
    case 'AWS::SecretsManager::Secret': {
      const secret = arn('secretsmanager', `secret:${name('Name')}-${hash.slice(0, 6)}`);
      return withArn(secret, secret);
    }
    case 'AWS::KMS::Key': {
      const id = [8, 12, 16, 20, 32]
        .map((end, index, ends) => hash.slice(ends[index - 1] ?? 0, end))
        .join('-');
      return withArn(id, arn('kms', `key/${id}`), { KeyId: id });
    }
    case 'AWS::SSM::Document':
      return { ref: name('Name'), attributes: {} };
    case 'AWS::Logs::LogGroup':
      return withArn(name('LogGroupName'), arn('logs', `log-group:${name('LogGroupName')}:*`));
    case 'AWS::S3::Bucket':
      return withArn(name('BucketName').toLowerCase(), `arn:aws:s3:::${name('BucketName').toLowerCase()}`);
    case 'AWS::SNS::Topic':
      return withArn(arn('sns', name('TopicName')), arn('sns', name('TopicName')), {
        TopicName: name('TopicName'),
      });
    case 'AWS::IAM::Role':
      return withArn(name('RoleName'), `arn:aws:iam::${accountId}:role${name('Path')}${name('RoleName')}`, {
        RoleId: `AROA${hash.slice(0, 17).toUpperCase()}`,
      });
    case 'AWS::IAM::InstanceProfile':
      return withArn(name('InstanceProfileName'), `arn:aws:iam::${accountId}:instance-profile/${logicalId}`);
    case 'AWS::IAM::ManagedPolicy': {
      const policyArn = `arn:aws:iam::${accountId}:policy/${name('ManagedPolicyName')}`;
      return { ref: policyArn, attributes: { PolicyArn: policyArn } };
    }
    case 'AWS::EC2::VPCEndpoint':
      return {
        ref: `vpce-${hash.slice(0, 17)}`,
        attributes: {},
        lists: { DnsEntries: [`Z0:vpce-${hash.slice(0, 17)}.vpce.amazonaws.com`] },
      };
    default: {
      // Nothing here looks at these; whatever of them is referred to gets a name.
      const id = `${logicalId}-${hash.slice(0, 17)}`;
      return withArn(id, arn('other', id), { GroupId: id, LatestVersionNumber: '1', LaunchTemplateId: id });
    }
  }
}

function withArn(ref: string, arn: string, more: Record<string, string> = {}): Created {
  return { ref, attributes: { Arn: arn, ...more } };
}
